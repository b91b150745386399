using Parsimony.FineTuning.Preference;

namespace Parsimony.Reporting;

/// <summary>What learning from preference pairs did, measured on pairs that were not learned from.</summary>
public sealed record DpoSummary
{
    /// <summary>sigmoid, robust, hinge, ipo or sim_po.</summary>
    public required PreferenceLossKind Loss { get; init; }

    /// <summary>What was learned: dials, or a baseline such as lora.</summary>
    public required string Method { get; init; }

    /// <summary>What was to be learned, in one sentence.</summary>
    public string? Task { get; init; }

    /// <summary>Pairs learned from.</summary>
    public required int Pairs { get; init; }

    /// <summary>Pairs measured on.</summary>
    public required int HeldOutPairs { get; init; }

    /// <summary>At rest; null where nothing is held out.</summary>
    public PreferenceReport? Before { get; init; }

    /// <summary>With what was learned.</summary>
    public PreferenceReport? After { get; init; }

    /// <summary>After the same training on pairs half of which were exchanged; null when not run.</summary>
    public PreferenceReport? NullAfter { get; init; }

    /// <summary>Numbers that were learned.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>Latents whose dials are not exactly at rest; null where no dials were learned.</summary>
    public long? LatentsChanged { get; init; }
}
