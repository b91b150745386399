using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Analysis;

/// <summary>How much of fine-tuning is looked at. What grows with the number of features costs passes over the objective's examples, so only the strongest are.</summary>
public sealed record AnalysisOptions
{
    /// <summary>Features in the tables, 1 or more. Default 50.</summary>
    [Description("features in the tables, those that moved the output most")]
    public int Features { get; init; } = 50;

    /// <summary>Of these, those left out and kept in one by one: two passes over the examples each; 0 or more. Default 12.</summary>
    [Description("features that are left out and kept in one by one; two passes over the examples each")]
    public int LeaveOneOut { get; init; } = 12;

    /// <summary>Random sets of features of each size beside the strongest, 0 or more; two passes each. Default 3.</summary>
    [Description("random sets of features of the same number beside the strongest; two passes each")]
    public int RandomControls { get; init; } = 3;

    /// <summary>Within what part of the change the ledger must add up to it, above 0. Default 0.01.</summary>
    [Description("within what part of the change the ledger must add up to it")]
    public double LedgerTolerance { get; init; } = 0.01;

    /// <summary>The most gradients the ledger may take, 9 or more: 9, 27, 81, ... are tried. Default 81.</summary>
    [Description("most gradients the ledger may take")]
    public int LedgerSteps { get; init; } = 81;

    /// <summary>Quantile of the null runs' movement beyond which a feature counts as moved, above 0 and below 1. Default 0.99.</summary>
    [Description("quantile of the null runs' movement beyond which a feature counts as moved")]
    public double NullQuantile { get; init; } = 0.99;

    /// <summary>False discovery rate at which a feature counts as significant, above 0 and below 1. Default 0.05.</summary>
    [Description("false discovery rate at which a feature counts as significant")]
    public double FalseDiscoveryRate { get; init; } = 0.05;

    /// <summary>Doses of the whole change, 3 or more. Default 9.</summary>
    [Description("doses of the whole change that are tried, from none to the largest")]
    public int Doses { get; init; } = 9;

    /// <summary>The largest dose, above 0; 1 is the change as it is. Default 2.</summary>
    [Description("the largest dose; 1 is the change as it was learnt")]
    public double LargestDose { get; init; } = 2;

    /// <summary>Texts in the list of those on which a feature fires most, 1 or more. Default 10.</summary>
    [Description("texts in the lists of those on which a feature fires most, before and after")]
    public int TopContexts { get; init; } = 10;

    /// <summary>Examples named for and against each feature, 0 or more. Default 5.</summary>
    [Description("examples named that pushed each feature, and as many that pulled it back")]
    public int Influences { get; init; } = 5;

    /// <summary>Cosine from which two decoder directions are the same, above 0 to 1. Default 0.7.</summary>
    [Description("cosine from which a direction of a retrained SAE is the same")]
    public double SameDirection { get; init; } = 0.7;

    /// <summary>Examples of a pass at a time, 1 or more. Default 8. Memory: this times their tokens times d_sae floats, a few times over.</summary>
    [Description("examples of a pass at a time")]
    public int BatchSize { get; init; } = 8;

    /// <summary>Decides the random sets and the resamples of the interval. Default 0.</summary>
    [Description("seed of the random sets and of the interval")]
    public long Seed { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public AnalysisOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Features >= 1, "features", Features, "1 or more");
        faults.Check(LeaveOneOut >= 0, "leave_one_out", LeaveOneOut, "0 or more");
        faults.Check(RandomControls >= 0, "random_controls", RandomControls, "0 or more");
        faults.Check(LedgerTolerance > 0, "ledger_tolerance", LedgerTolerance, "above 0");
        faults.Check(LedgerSteps >= 9, "ledger_steps", LedgerSteps, "9 or more");
        faults.Check(NullQuantile is > 0 and < 1, "null_quantile", NullQuantile, "above 0 and below 1");
        faults.Check(FalseDiscoveryRate is > 0 and < 1, "false_discovery_rate", FalseDiscoveryRate, "above 0 and below 1");
        faults.Check(Doses >= 3, "doses", Doses, "3 or more");
        faults.Check(LargestDose > 0 && double.IsFinite(LargestDose), "largest_dose", LargestDose, "above 0");
        faults.Check(TopContexts >= 1, "top_contexts", TopContexts, "1 or more");
        faults.Check(Influences >= 0, "influences", Influences, "0 or more");
        faults.Check(SameDirection is > 0 and <= 1, "same_direction", SameDirection, "above 0 to 1");
        faults.Check(BatchSize >= 1, "batch_size", BatchSize, "1 or more");
        faults.ThrowIfAny("the options of the analysis");
        return this;
    }
}
