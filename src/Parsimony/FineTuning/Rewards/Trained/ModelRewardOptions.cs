using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>A reward that a trained reward model or classifier gives.</summary>
public sealed record ModelRewardOptions
{
    /// <summary>The folder that <c>parsimony reward-model</c> made, as <see cref="RewardHeadFolder.Load"/> reads it; must be given.</summary>
    [Description("folder of a reward model or classifier that 'parsimony reward-model' made")]
    public string Path { get; init; } = "";

    /// <summary>Of a classifier, the class whose log odds are the reward; must be given for one, and not for a reward model.</summary>
    [Description("of a classifier, the class that is rewarded")]
    public string? Class { get; init; }

    /// <summary>What this reward counts for in the sum. Default 1; below 0 the class is to be avoided.</summary>
    [Description("what this reward counts for in the sum; below 0 the class is to be avoided")]
    public double Weight { get; init; } = 1;

    /// <summary>Whether the prompt is read too. Default null: where it was learnt from texts that follow a prompt.</summary>
    [Description("read the prompt too; not given: where it was learnt from texts that follow a prompt")]
    public bool? ReadPrompt { get; init; }

    /// <summary>The folder of its language model; null: where that was when the reward was learnt. Not needed where it is the model that is being taught.</summary>
    [Description("folder of its language model; not given: where that was when the reward was learnt")]
    public string? BaseModel { get; init; }

    /// <summary>The SAE that it reads, a file or folder; null: where that was when the reward was learnt.</summary>
    [Description("SAE that it reads, if it reads one; not given: where that was when the reward was learnt")]
    public string? BaseSae { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public ModelRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Path.Length > 0, "path", "empty", "a reward model's folder");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.ThrowIfAny("the options of the model reward");
        return this;
    }
}
