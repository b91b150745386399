using Parsimony.Autoencoders;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What is analysed, and what it is compared with.</summary>
public sealed record AnalysisSubject
{
    /// <summary>The dials, those of several hook points as one change (<see cref="DialChange.Joined"/>).</summary>
    public required DialChange Change { get; init; }

    /// <summary>What they are for, on the seam with the dials of all hook points, on examples or prompts that were not learnt from.</summary>
    public required IObjective Objective { get; init; }

    /// <summary>Texts on which latents are looked at, one or more; best those the dials are for. Only tokens at which the dials act count.</summary>
    public required IReadOnlyList<SftExample> Texts { get; init; }

    /// <summary>The same objective on what was learnt from, to ask who pushed a feature; null: <see cref="Objective"/>.</summary>
    public IObjective? LearntFrom { get; init; }

    /// <summary>The dials of null runs of the same budget: shuffled labels, rewards of random sign. Default none.</summary>
    public IReadOnlyList<DialChange> Nulls { get; init; } = [];

    /// <summary>The loss on a text that has nothing to do with the task; null: its price is not known.</summary>
    public LossObjective? HeldOutText { get; init; }

    /// <summary>An SAE retrained on the tuned model; null: directions are not compared.</summary>
    public ISparseAutoencoder? Retrained { get; init; }

    /// <summary>Other methods and runs. Their cost is the KL to the reference, or, with <see cref="HeldOutText"/>, its perplexity; their gain is the change of the
    /// first part of the objective for the better. Default none.</summary>
    public IReadOnlyList<ParetoPoint> Others { get; init; } = [];
}

/// <summary>How far an analysis has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Done">Passes over the examples so far.</param>
/// <param name="Passes">Passes there will be; fewer where the ledger adds up early.</param>
public sealed record AnalysisProgress(string Stage, int Done, int Passes);
