using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.Exploration.Index;

/// <summary>What a <see cref="FeatureIndex"/> keeps of each latent.</summary>
public sealed record FeatureIndexOptions
{
    /// <summary>Contexts in which a latent fires most that are kept, one window of each; 1 to 100, default 10.</summary>
    [Description("contexts kept in which a latent fires most")]
    public int TopContexts { get; init; } = 10;

    /// <summary>Samples kept of each interval of activation, drawn evenly from the tokens on which the latent fires in it; 0 to 30, default 3.</summary>
    [Description("samples kept of each interval of a latent's activation")]
    public int SamplesPerInterval { get; init; } = 3;

    /// <summary>Tokens shown before the one in question; 0 or more, default 20.</summary>
    [Description("tokens shown before the peak of a context")]
    public int TokensBefore { get; init; } = 20;

    /// <summary>Tokens shown after it; 0 or more, default 10. A window is of 255 tokens at most.</summary>
    [Description("tokens shown after the peak")]
    public int TokensAfter { get; init; } = 10;

    /// <summary>Tokens named that a latent promotes, and as many that it suppresses, directly and as measured; 0 to 1000, default 10.</summary>
    [Description("promoted tokens to keep, and as many suppressed ones")]
    public int LogitTokens { get; init; } = 10;

    /// <summary>Name only tokens that occur in the text, default true: of a token that no text has, a model has learned nothing, and its logits are noise.</summary>
    [Description("promote and suppress only tokens that occur in the text")]
    public bool OnlyTokensSeen { get; init; } = true;

    /// <summary>Latents whose effect on the next token is measured, those with the largest mean activation times decoder row first; 0: none, default 512.</summary>
    [Description("latents whose effect is measured by taking them out, the strongest first; 0: none")]
    public int MeasuredLatents { get; init; } = 512;

    /// <summary>Of each of them, contexts to measure in, the strongest ones; 1 to 100, default 3.</summary>
    [Description("contexts in which a latent's effect is measured")]
    public int MeasuredContexts { get; init; } = 3;

    /// <summary>Neighbours kept, by decoder rows and by tokens fired on together; 0 to 1000, default 8.</summary>
    [Description("neighbours to keep by decoder cosine, and as many by co-activation")]
    public int Neighbours { get; init; } = 8;

    /// <summary>Contexts in one forward pass; 1 or more, default 32.</summary>
    [Description("contexts per forward pass")]
    public int BatchContexts { get; init; } = 32;

    /// <summary>Seconds between two savings of where the building stands; 0: after every batch; default 30.</summary>
    [Description("seconds between two savings of where the index stands; 0: after every batch")]
    public double CheckpointEverySeconds { get; init; } = 30;

    /// <summary>Seed of the samples. Default 0.</summary>
    [Description("seed of the samples")]
    public long Seed { get; init; }

    /// <summary>Tokens of a window, at most.</summary>
    internal int Window => TokensBefore + 1 + TokensAfter;

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public FeatureIndexOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(TopContexts is >= 1 and <= 100, "top_contexts", TopContexts, "1 to 100");
        faults.Check(SamplesPerInterval is >= 0 and <= 30, "samples_per_interval", SamplesPerInterval, "0 to 30");
        faults.Check(TokensBefore is >= 0 and < 255, "tokens_before", TokensBefore, "0 to 254");
        faults.Check(TokensAfter is >= 0 and < 255 && Window <= 255, "tokens_after", TokensAfter, "0 or more, with tokens_before 254 at most");
        faults.Check(LogitTokens is >= 0 and <= 1000, "logit_tokens", LogitTokens, "0 to 1000");
        faults.Check(MeasuredLatents >= 0, "measured_latents", MeasuredLatents, "0 or more");
        faults.Check(MeasuredContexts is >= 1 and <= 100, "measured_contexts", MeasuredContexts, "1 to 100");
        faults.Check(Neighbours is >= 0 and <= 1000, "neighbours", Neighbours, "0 to 1000");
        faults.Check(BatchContexts >= 1, "batch_contexts", BatchContexts, "1 or more");
        faults.Check(CheckpointEverySeconds >= 0, "checkpoint_every_seconds", CheckpointEverySeconds, "0 or more");
        faults.ThrowIfAny("The index's options");
        return this;
    }
}
