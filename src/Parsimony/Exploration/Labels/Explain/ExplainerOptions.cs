using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.Exploration.Labels.Explain;

/// <summary>A language model that writes labels, behind an address that the user names. Nothing is sent anywhere unless one is named.</summary>
public sealed record ExplainerOptions
{
    /// <summary>Environment variable with the key that is sent to the endpoint as a bearer token; none is sent where it is not set.</summary>
    public const string KeyVariable = "PARSIMONY_EXPLAINER_KEY";

    /// <summary>Address of an OpenAI-compatible service, such as http://localhost:8000/v1; requests go to chat/completions under it. Null, the default: none.</summary>
    [Description("address of an OpenAI-compatible service that writes labels too, such as http://localhost:8000/v1; pieces of the text are sent there, with the key in PARSIMONY_EXPLAINER_KEY")]
    public string? Endpoint { get; init; }

    /// <summary>Name of its model.</summary>
    [Description("the service's name of its model")]
    public string? EndpointModel { get; init; }

    /// <summary>Let the same model score its labels, default true.</summary>
    [Description("let the same model score its labels")]
    public bool EndpointScores { get; init; } = true;

    /// <summary>How long an answer may take, seconds, above 0; default 60.</summary>
    [Description("seconds that an answer of the service may take")]
    public double EndpointTimeoutSeconds { get; init; } = 60;

    /// <summary>How often a request is tried that the service does not answer, or with 408, 429 or 5xx; 1 to 20, default 4.</summary>
    [Description("how often a request is tried")]
    public int EndpointTries { get; init; } = 4;

    /// <summary>Requests under way at once; 1 to 256, default 4.</summary>
    [Description("requests under way at once")]
    public int EndpointConnections { get; init; } = 4;

    /// <summary>Wait before the second try, doubled for each further one.</summary>
    internal TimeSpan FirstWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Whether an endpoint is named.</summary>
    internal bool IsNamed => Endpoint is not null;

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range, or only one of endpoint and model is named.</exception>
    public ExplainerOptions Validated()
    {
        var faults = new OptionFaults();
        bool isAddress = Uri.TryCreate(Endpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" && address.UserInfo.Length == 0 && address.Query.Length == 0;
        faults.Check(Endpoint is null || isAddress, "endpoint", Endpoint, $"an http or https address without user, password or query, such as http://localhost:8000/v1; a key goes into {KeyVariable}");
        faults.Check(Endpoint is null || !string.IsNullOrWhiteSpace(EndpointModel), "endpoint_model", EndpointModel, "the name of the endpoint's model");
        faults.Check(Endpoint is not null || EndpointModel is null, "endpoint", null, "the address of the service that has the model");
        faults.Check(EndpointTimeoutSeconds is > 0 and <= 86_400, "endpoint_timeout_seconds", EndpointTimeoutSeconds, "above 0, 86400 at most");
        faults.Check(EndpointTries is >= 1 and <= 20, "endpoint_tries", EndpointTries, "1 to 20");
        faults.Check(EndpointConnections is >= 1 and <= 256, "endpoint_connections", EndpointConnections, "1 to 256");
        faults.ThrowIfAny("The explainer's options");
        return this;
    }
}
