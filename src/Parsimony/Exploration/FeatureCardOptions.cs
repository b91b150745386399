using System.ComponentModel;

namespace Parsimony.Exploration;

/// <summary>How much a <see cref="FeatureCard"/> shows.</summary>
public sealed record FeatureCardOptions
{
    /// <summary>Tokens shown before the peak of a context; 0 or more, default 20.</summary>
    [Description("tokens shown before the peak of a context")]
    public int TokensBefore { get; init; } = 20;

    /// <summary>Tokens shown after the peak; 0 or more, default 10.</summary>
    [Description("tokens shown after the peak")]
    public int TokensAfter { get; init; } = 10;

    /// <summary>Promoted tokens, and as many suppressed ones; 0 or more, default 8.</summary>
    [Description("promoted tokens to show, and as many suppressed ones")]
    public int LogitTokens { get; init; } = 8;

    /// <summary>Promote and suppress only tokens that occur in the contexts, default true: of a token that no text has, a model has
    /// learned nothing, and its logits are noise.</summary>
    [Description("promote and suppress only tokens that occur in the contexts")]
    public bool OnlyTokensSeen { get; init; } = true;

    /// <summary>Contexts per forward pass; 1 or more, default 8. Memory is this times the context's length times d_sae floats.</summary>
    [Description("contexts per forward pass")]
    public int BatchContexts { get; init; } = 8;

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public FeatureCardOptions Validated()
    {
        string[] faults =
        [
            .. Fault("tokens_before", TokensBefore, 0), .. Fault("tokens_after", TokensAfter, 0),
            .. Fault("logit_tokens", LogitTokens, 0), .. Fault("batch_contexts", BatchContexts, 1),
        ];
        return faults.Length == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }

    private static string[] Fault(string name, int value, int least) =>
        value >= least ? [] : [$"{name} is {value}; it must be {least} or more"];
}
