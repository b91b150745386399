using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward for whether the model ended the text itself.</summary>
public sealed record EndOfTextRewardOptions
{
    /// <summary>What a text that the model ended gets. Default 0.</summary>
    [Description("what a text gets that the model ended itself")]
    public double EndedScore { get; init; }

    /// <summary>What a text gets that was cut off. Default -1.</summary>
    [Description("what a text gets that was cut off")]
    public double CutOffScore { get; init; } = -1;

    /// <summary>What this reward counts for in the sum. Default 1.</summary>
    [Description("what this reward counts for in the sum")]
    public double Weight { get; init; } = 1;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public EndOfTextRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(double.IsFinite(EndedScore), "ended_score", EndedScore, "a finite number");
        faults.Check(double.IsFinite(CutOffScore), "cut_off_score", CutOffScore, "a finite number");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.ThrowIfAny("the options of the end-of-text reward");
        return this;
    }
}

/// <summary>R = ended_score for a text that the model ended with its end of text, cut_off_score for one that it did not.</summary>
public sealed class EndOfTextReward : IReward
{
    private readonly EndOfTextRewardOptions options;

    /// <summary>A reward for ending.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public EndOfTextReward(EndOfTextRewardOptions options, string name = "end_of_text") => (this.options, Name) = (options.Validated(), name);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) =>
        [.. texts.Select(text => new RewardScore(text.Ended ? options.EndedScore : options.CutOffScore))];
}
