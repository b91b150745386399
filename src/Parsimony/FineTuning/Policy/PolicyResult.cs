namespace Parsimony.FineTuning.Policy;

/// <summary>What learning from rewards gave.</summary>
public sealed record PolicyResult
{
    /// <summary>Steps made.</summary>
    public required long Steps { get; init; }

    /// <summary>Responses sampled.</summary>
    public required long Responses { get; init; }

    /// <summary>Tokens sampled.</summary>
    public required long TokensSampled { get; init; }

    /// <summary>How many numbers were learnt: of dials, c and d of each latent that was allowed to move.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>What the rewards have to say of themselves, such as a lexicon that never matched.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Wall-clock seconds in this process.</summary>
    public required double Seconds { get; init; }
}
