using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>How a penalty grows with the distance.</summary>
public enum PenaltyShape
{
    /// <summary>As the distance.</summary>
    Linear,
    /// <summary>As its square.</summary>
    Quadratic,
}

/// <summary>A reward for a text's length in tokens, the end of text not counted.</summary>
public sealed record LengthRewardOptions
{
    /// <summary>The length that is wanted, 1 or more; null: none in particular. Default null.</summary>
    [Description("length that is wanted, in tokens; none: none in particular")]
    public int? TargetTokens { get; init; }

    /// <summary>What being off by the whole target adds. Default -1.</summary>
    [Description("what being off by the whole target adds; below 0 is a penalty")]
    public double TargetScore { get; init; } = -1;

    /// <summary>The length beyond which a text is too long, 1 or more; null: none is. Default null.</summary>
    [Description("length beyond which a text is too long, in tokens; none: no text is")]
    public int? LongestTokens { get; init; }

    /// <summary>What being twice the longest adds. Default -1.</summary>
    [Description("what being twice the longest adds; below 0 is a penalty")]
    public double OverlongScore { get; init; } = -1;

    /// <summary>How both grow with the distance. Default linear.</summary>
    [Description("how both grow with the distance: linear or quadratic")]
    public PenaltyShape Shape { get; init; } = PenaltyShape.Linear;

    /// <summary>What this reward counts for in the sum. Default 1.</summary>
    [Description("what this reward counts for in the sum")]
    public double Weight { get; init; } = 1;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public LengthRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(TargetTokens is not null || LongestTokens is not null, "target_tokens", "not set, nor longest_tokens", "one of them, or both");
        faults.Check(TargetTokens is not { } target || target >= 1, "target_tokens", TargetTokens, "1 or more, or none");
        faults.Check(double.IsFinite(TargetScore), "target_score", TargetScore, "a finite number");
        faults.Check(LongestTokens is not { } longest || longest >= 1, "longest_tokens", LongestTokens, "1 or more, or none");
        faults.Check(double.IsFinite(OverlongScore), "overlong_score", OverlongScore, "a finite number");
        faults.Check(Enum.IsDefined(Shape), "shape", Shape, "linear or quadratic");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.ThrowIfAny("the options of the length reward");
        return this;
    }
}

/// <summary>
/// R = target_score * g(|n - target| / target) + overlong_score * g(max(0, n - longest) / longest), with g(x) = x or x^2 and n the tokens of the text.
/// It is a matter of the whole text: no token is to blame.
/// </summary>
public sealed class LengthReward : IReward
{
    private readonly LengthRewardOptions options;

    /// <summary>A reward for length.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public LengthReward(LengthRewardOptions options, string name = "length") => (this.options, Name) = (options.Validated(), name);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) =>
        [.. texts.Select(text => new RewardScore(Of(text.TextTokens)))];

    private double Of(int tokens) =>
        (options.TargetTokens is { } target ? options.TargetScore * Grown(Math.Abs(tokens - target) / (double)target) : 0)
        + (options.LongestTokens is { } longest ? options.OverlongScore * Grown(Math.Max(0, tokens - longest) / (double)longest) : 0);

    private double Grown(double distance) => options.Shape == PenaltyShape.Linear ? distance : distance * distance;
}
