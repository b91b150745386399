using Parsimony.FineTuning;

namespace Parsimony.Reporting;

/// <summary>One bar of the layer sweep.</summary>
public sealed record LayerSweepEntry
{
    /// <summary>Layer, 0-based.</summary>
    public required int Layer { get; init; }

    /// <summary>Loss with the autoencoder in this layer, nats per token.</summary>
    public required double CeSpliced { get; init; }

    /// <summary>Loss with this layer's activation set to zero, nats per token; null when not measured.</summary>
    public double? CeZeroAblated { get; init; }
}

/// <summary>Held-out loss around the fine-tuning of the dials, nats per token.</summary>
public sealed record FinetuneSummary
{
    /// <summary>Before, on examples that were not trained on.</summary>
    public required double HeldoutBefore { get; init; }

    /// <summary>After, on the same examples.</summary>
    public required double HeldoutAfter { get; init; }

    /// <summary>After the same training without a signal (shuffled labels), on the same examples; null when not run.</summary>
    public double? HeldoutNullAfter { get; init; }

    /// <summary>Numbers that were learned: of dials, two for every latent that may move.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>What was to be learned, in one sentence.</summary>
    public string? Task { get; init; }

    /// <summary>What was learned: dials, or a baseline such as lora.</summary>
    public string? Method { get; init; }

    /// <summary>Where it acts, in the order of the pass.</summary>
    public IReadOnlyList<string>? Hooks { get; init; }

    /// <summary>The held-out loss by how many of the SAEs are inserted, none first; null without held-out examples.</summary>
    public IReadOnlyList<InsertedSaes>? InsertedSaes { get; init; }
}

/// <summary>Text written from one prompt, with the same seed, before and after fine-tuning.</summary>
public sealed record TextSample
{
    /// <summary>The text given.</summary>
    public required string Prompt { get; init; }

    /// <summary>What the model wrote with the dials at rest.</summary>
    public required string Before { get; init; }

    /// <summary>What it wrote with the learned dials; null when nothing was fine-tuned.</summary>
    public string? After { get; init; }
}
