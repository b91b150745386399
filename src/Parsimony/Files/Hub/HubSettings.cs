namespace Parsimony.Files.Hub;

/// <summary>Where the hub and its cache are: what the environment variables of the Python tools say, so that both share their files.</summary>
public sealed record HubSettings
{
    /// <summary>The hub's address, without a slash at the end; <c>HF_ENDPOINT</c>.</summary>
    public string Endpoint { get; init; } = "https://huggingface.co";

    /// <summary>The folder of all repositories; <c>HF_HUB_CACHE</c>, else <c>HF_HOME</c>/hub, else ~/.cache/huggingface/hub.</summary>
    public required string Cache { get; init; }

    /// <summary>Access token, sent to the endpoint and to no other host; <c>HF_TOKEN</c>; null: none.</summary>
    public string? Token { get; init; }

    /// <summary>Whether the network must not be used; <c>HF_HUB_OFFLINE</c>.</summary>
    public bool Offline { get; init; }

    /// <summary>Bytes of one range of a file; what an interruption may lose of it. Default 16 MiB.</summary>
    public long RangeBytes { get; init; } = 16 << 20;

    /// <summary>Ranges fetched at the same time. Default 4.</summary>
    public int Connections { get; init; } = 4;

    /// <summary>How often a request is tried. Default 6.</summary>
    public int Tries { get; init; } = 6;

    /// <summary>Wait before the second try, doubled for each further one; a Retry-After of the server goes before it. Default 1 s.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the server may be silent. Default 60 s.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Reads the environment.</summary>
    public static HubSettings FromEnvironment()
    {
        string home = Value("HF_HOME") ?? Path.Combine(
            Value("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "huggingface");
        var settings = new HubSettings
        {
            Cache = Value("HF_HUB_CACHE") ?? Value("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub"),
            Token = Value("HF_TOKEN"),
            Offline = Value("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE",
        };
        return Value("HF_ENDPOINT") is { } endpoint ? settings with { Endpoint = endpoint.TrimEnd('/') } : settings;
    }

    private static string? Value(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value.Trim() : null;
}
