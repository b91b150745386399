using System.ComponentModel;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>Which of a text's tokens a reward model looks at.</summary>
public enum RewardPooling
{
    /// <summary>The last one: by then the model has read all of it.</summary>
    Last,

    /// <summary>The mean over all that are judged; the prompt is not among them.</summary>
    Mean,
}

/// <summary>What the weights of a head are at first.</summary>
public enum RewardHeadBirth
{
    /// <summary>Normal with standard deviation 1 / sqrt(width + 1) (Huang et al. 2024); the bias is 0.</summary>
    Normal,

    /// <summary>0, so that every text is worth the same.</summary>
    Zero,
}

/// <summary>How a reward model or a classifier is learnt on a frozen language model.</summary>
public sealed record RewardHeadOptions
{
    /// <summary>Where its activation is read; null: the residual stream after the last layer and the final norm. With an SAE it is the SAE's. Default null.</summary>
    [Description("hook point whose activation is read; not given: the residual stream after the final norm")]
    public HookPoint? Hook { get; init; }

    /// <summary>Which tokens are read. Default last.</summary>
    [Description("which tokens are read: the last one, or the mean over the text that is judged")]
    public RewardPooling Pooling { get; init; } = RewardPooling.Last;

    /// <summary>Whether each number that is read is shifted and scaled to mean 0 and standard deviation 1 over the training texts while the head is learnt. What is
    /// saved is a head on the numbers as they are. Default true.</summary>
    [Description("learn on numbers of mean 0 and standard deviation 1 over the training texts; what is saved is a head on the numbers as they are")]
    public bool Standardise { get; init; } = true;

    /// <summary>What the weights are at first. Default normal.</summary>
    [Description("what the weights are at first: normal with sd 1/sqrt(width + 1), or zero")]
    public RewardHeadBirth Birth { get; init; } = RewardHeadBirth.Normal;

    /// <summary>By how much the better text of a pair must be worth more before the loss is below ln 2. Default 0.</summary>
    [Description("by how much the better text of a pair must be worth more before the loss is below ln 2")]
    public double Margin { get; init; }

    /// <summary>c of the loss' centring term c (r_better + r_worse)^2, 0 or more. Default 0.01.</summary>
    [Description("weight of the term that draws a pair's rewards to a mean of 0")]
    public double Centring { get; init; } = 0.01;

    /// <summary>How often all the training data is gone through, above 0. Default 10.</summary>
    [Description("how often all the training data is gone through")]
    public double Epochs { get; init; } = 10;

    /// <summary>Pairs or texts per step, 1 or more. Default 32.</summary>
    [Description("pairs or texts per step")]
    public int BatchSize { get; init; } = 32;

    /// <summary>AdamW's learning rate, above 0. Default 1e-3.</summary>
    [Description("AdamW's learning rate")]
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>AdamW's decoupled weight decay on the weights, 0 or more; the bias has none. Default 0.01.</summary>
    [Description("AdamW's decoupled weight decay on the weights")]
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Share of the data held out when no held-out file is given, 0 to below 1. Default 0.1.</summary>
    [Description("share of the data held out when no held-out file is given")]
    public double HeldOutFraction { get; init; } = 0.1;

    /// <summary>Whether a second head is learnt from verdicts dealt out at random: what it is worth is the measure for what the first learnt. Default true.</summary>
    [Description("also learn from verdicts dealt out at random, to see what noise alone would do")]
    public bool NullRun { get; init; } = true;

    /// <summary>Decides what is held out, the order of the data and the weights at first. Default 0.</summary>
    [Description("seed of the split, of the order of the data and of the weights at first")]
    public long Seed { get; init; }

    /// <summary>Memory for what was read of the texts, kept across epochs: a size such as 1GiB, or 0. No effect on the result. Default 1GiB.</summary>
    [Description("memory for what was read of the texts, kept across epochs, such as 1GiB; 0 reads them again each time")]
    public string TextCache { get; init; } = "1GiB";

    /// <summary>Steps between two lines of metrics.jsonl, 1 or more. Default 10.</summary>
    [Description("steps between two lines of metrics.jsonl")]
    public int LogEverySteps { get; init; } = 10;

    /// <summary>Steps between two checkpoints, 1 or more. Default 200.</summary>
    [Description("steps between two checkpoints")]
    public int CheckpointEverySteps { get; init; } = 200;

    /// <summary><see cref="TextCache"/> in bytes.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long TextCacheBytes => ByteSize.Parse(TextCache);

    /// <summary>Optimiser steps that the epochs are, 0 or more.</summary>
    /// <param name="count">Pairs or texts.</param>
    public long Steps(int count) => (long)Math.Ceiling(Epochs * count / BatchSize);

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public RewardHeadOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Enum.IsDefined(Pooling), "pooling", Pooling, "last or mean");
        faults.Check(Enum.IsDefined(Birth), "birth", Birth, "normal or zero");
        faults.Check(double.IsFinite(Margin), "margin", Margin, "a finite number");
        faults.AtLeast(0, Centring);
        faults.Check(Epochs is > 0 and <= 1e6, "epochs", Epochs, "above 0, at most 1000000");
        faults.AtLeast(1, BatchSize);
        faults.AboveZero(LearningRate);
        faults.AtLeast(0, WeightDecay);
        faults.Share(HeldOutFraction);
        faults.Size(TextCache, "1GiB");
        faults.AtLeast(1, LogEverySteps);
        faults.AtLeast(1, CheckpointEverySteps);
        faults.ThrowIfAny("the options of the reward model");
        return this;
    }
}
