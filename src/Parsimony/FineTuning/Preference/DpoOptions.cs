using System.ComponentModel;
using Parsimony.Files;
using Parsimony.Training;

namespace Parsimony.FineTuning.Preference;

/// <summary>How an adapter learns from preference pairs.</summary>
public sealed record DpoOptions
{
    /// <summary>Which loss of the DPO family. Default sigmoid: DPO's own.</summary>
    [Description("loss of the DPO family: sigmoid, robust, hinge, ipo or sim_po")]
    public PreferenceLossKind Loss { get; init; } = PreferenceLossKind.Sigmoid;

    /// <summary>How sharply a nat of preference counts, above 0. Default 0.1; SimPO wants 2 to 10.</summary>
    [Description("how sharply a nat of preference counts; sim_po wants 2 to 10")]
    public double Beta { get; init; } = 0.1;

    /// <summary>Share of the pairs taken to be labelled wrongly (sigmoid, robust), 0 to below 0.5. Default 0.</summary>
    [Description("sigmoid and robust: share of the pairs taken to be labelled wrongly")]
    public double LabelSmoothing { get; init; }

    /// <summary>SimPO's margin, 0 or more. Default 0.</summary>
    [Description("sim_po: the margin asked for")]
    public double SimPoMargin { get; init; }

    /// <summary>Weight of the chosen completions' own loss, nats per token, beside the preference, 0 or more: without it both completions often become less likely
    /// while their distance grows. Default 0.</summary>
    [Description("weight of the chosen completions' own loss, which keeps them likely while the distance grows")]
    public double NllWeight { get; init; }

    /// <summary>Optimiser steps, 0 or more. Default 500.</summary>
    [Description("optimiser steps")]
    public long Steps { get; init; } = 500;

    /// <summary>Pairs per step, 1 or more. Default 8.</summary>
    [Description("pairs per step")]
    public int BatchSize { get; init; } = 8;

    /// <summary>AdamW's learning rate, above 0. Default 1e-3.</summary>
    [Description("AdamW's learning rate")]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>AdamW's decoupled weight decay, 0 or more. Default 0.</summary>
    [Description("AdamW's decoupled weight decay toward rest")]
    public double WeightDecay { get; init; }

    /// <summary>The gradient of everything learnt together is shortened to this length, above 0; null: never. Default 1.</summary>
    [Description("longest gradient of everything learned together; none: as it is")]
    public double? MaxGradientNorm { get; init; } = 1;

    /// <summary>A null run: half of the pairs, drawn by the seed, have chosen and rejected exchanged. What it "learns" is noise. Default false.</summary>
    [Description("null run: exchange chosen and rejected in half of the pairs")]
    public bool ShuffleLabels { get; init; }

    /// <summary>Share of the pairs held out when no held-out file is given, 0 to below 1. Default 0.1.</summary>
    [Description("share of the pairs held out when no held-out file is given")]
    public double HeldOutFraction { get; init; } = 0.1;

    /// <summary>Decides the order of pairs and a null run's exchanges. Default 0.</summary>
    [Description("seed of the pairs' order and of a null run's exchanges")]
    public long Seed { get; init; }

    /// <summary>Memory for the frozen states below the first hook point: a size such as 2GiB, or 0. No effect on the result. Default 2GiB.</summary>
    [Description("memory for the frozen states below the hook, kept across epochs, such as 2GiB; 0 recomputes them")]
    public string PrefixCache { get; init; } = "2GiB";

    /// <summary>Whether the backward pass runs the layers in which nothing is learnt again instead of keeping what it needs of them. No effect on the result. Default false.</summary>
    [Description("run the layers above the hook again in the backward pass instead of keeping what it needs of them")]
    public bool Recompute { get; init; }

    /// <summary>Steps between two lines of metrics.jsonl, 1 or more. Default 10.</summary>
    [Description("steps between two lines of metrics.jsonl")]
    public int LogEverySteps { get; init; } = 10;

    /// <summary>Steps between two checkpoints, 1 or more. Default 100.</summary>
    [Description("steps between two checkpoints")]
    public int CheckpointEverySteps { get; init; } = 100;

    /// <summary><see cref="PrefixCache"/> in bytes.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long PrefixCacheBytes => ByteSize.Parse(PrefixCache);

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault at once.</exception>
    public DpoOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Enum.IsDefined(Loss), "loss", Loss, "sigmoid, robust, hinge, ipo or sim_po");
        faults.AboveZero(Beta);
        faults.Check(LabelSmoothing is >= 0 and < 0.5, "label_smoothing", LabelSmoothing, "0 or more and below 0.5");
        faults.AtLeast(0, SimPoMargin);
        faults.AtLeast(0, NllWeight);
        faults.AtLeast(0, Steps);
        faults.AtLeast(1, BatchSize);
        faults.AboveZero(LearningRate);
        faults.AtLeast(0, WeightDecay);
        faults.Check(MaxGradientNorm is not { } norm || norm > 0, "max_gradient_norm", MaxGradientNorm, "above 0, or not set");
        faults.Share(HeldOutFraction);
        faults.Size(PrefixCache, "2GiB");
        faults.AtLeast(1, LogEverySteps);
        faults.AtLeast(1, CheckpointEverySteps);
        faults.ThrowIfAny("the options of learning from preferences");
        return this;
    }
}
