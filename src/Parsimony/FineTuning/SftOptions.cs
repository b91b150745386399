using System.ComponentModel;
using Parsimony.Files;
using Parsimony.Training;

namespace Parsimony.FineTuning;

/// <summary>How an adapter learns from text (supervised fine-tuning). The defaults are the article's.</summary>
public sealed record SftOptions
{
    /// <summary>Optimiser steps, 0 or more. Default 2000.</summary>
    [Description("optimiser steps")]
    public long Steps { get; init; } = 2000;

    /// <summary>Examples per step, 1 or more. Default 8.</summary>
    [Description("examples per step")]
    public int BatchSize { get; init; } = 8;

    /// <summary>Tokens per context, 2 or more: the length of a text's contexts, the limit for prompt and completion. Default 128.</summary>
    [Description("tokens per context: the length of a text's contexts, the longest prompt with its completion")]
    public int SequenceLength { get; init; } = 128;

    /// <summary>AdamW's learning rate, above 0. Default 1e-3.</summary>
    [Description("AdamW's learning rate")]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>AdamW's decoupled weight decay, 0 or more: each step draws what is learnt toward rest by learning rate x this. Default 1e-2.</summary>
    [Description("AdamW's decoupled weight decay toward rest")]
    public double WeightDecay { get; init; } = 1e-2;

    /// <summary>Whether each epoch goes through the examples in its own random order; else they come as they are. Default true.</summary>
    [Description("go through the examples in a new random order each epoch")]
    public bool Shuffle { get; init; } = true;

    /// <summary>A null run: in each batch the targets are permuted among its target positions. What it "learns" is noise, the measure
    /// for what the true run learnt. Default false.</summary>
    [Description("null run: permute the targets among the positions of each batch")]
    public bool ShuffleLabels { get; init; }

    /// <summary>Share of the examples held out when no held-out file is given, 0 to below 1. Default 0.1.</summary>
    [Description("share of the examples held out when no held-out file is given")]
    public double HeldOutFraction { get; init; } = 0.1;

    /// <summary>Decides the order of examples and the permuted labels. Default 0.</summary>
    [Description("seed of the example order and of the permuted labels")]
    public long Seed { get; init; }

    /// <summary>Memory for the frozen states below the hook, kept across epochs: a size such as 2GiB, or 0. No effect on the result. Default 2GiB.</summary>
    [Description("memory for the frozen states below the hook, kept across epochs, such as 2GiB; 0 recomputes them")]
    public string PrefixCache { get; init; } = "2GiB";

    /// <summary>Whether the backward pass runs the layers above the hook again instead of keeping what it needs of them: the memory of one layer for a third more time. No effect on the result.
    /// Default null: where they would keep more than a quarter of the free memory, or are streamed.</summary>
    [Description("run the layers above the hook again in the backward pass instead of keeping what it needs of them; not set: where memory is short")]
    public bool? Recompute { get; init; }

    /// <summary>Steps between two lines of metrics.jsonl, 1 or more. Default 10.</summary>
    [Description("steps between two lines of metrics.jsonl")]
    public int LogEverySteps { get; init; } = 10;

    /// <summary>Steps between two checkpoints, 1 or more. Default 500.</summary>
    [Description("steps between two checkpoints")]
    public int CheckpointEverySteps { get; init; } = 500;

    /// <summary><see cref="PrefixCache"/> in bytes.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long PrefixCacheBytes => ByteSize.Parse(PrefixCache);

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault at once.</exception>
    public SftOptions Validated()
    {
        var faults = new OptionFaults();
        faults.AtLeast(0, Steps);
        faults.AtLeast(1, BatchSize);
        faults.AtLeast(2, SequenceLength);
        faults.AboveZero(LearningRate);
        faults.AtLeast(0, WeightDecay);
        faults.Share(HeldOutFraction);
        faults.Size(PrefixCache, "2GiB");
        faults.AtLeast(1, LogEverySteps);
        faults.AtLeast(1, CheckpointEverySteps);
        faults.ThrowIfAny("the options of fine-tuning");
        return this;
    }
}
