namespace Parsimony.FineTuning.Rewards;

/// <summary>Judges texts: one number for each, the higher the better. <see cref="WeightedRewards"/> adds several up and checks what they give.</summary>
public interface IReward
{
    /// <summary>What it is called in logs and errors.</summary>
    string Name { get; }

    /// <summary>The scores of a batch of texts, in their order.</summary>
    /// <param name="texts">The texts; may be none.</param>
    /// <param name="cancellation">Ends a slow judge.</param>
    /// <exception cref="InvalidOperationException">It cannot judge them; the message names the reward.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default);
}

/// <summary>What a reward says of one text.</summary>
/// <param name="Value">The reward; finite.</param>
/// <param name="TokenCredit">What each of <see cref="RewardText.Tokens"/> adds to it: as many numbers, whose sum is the value.
/// Null: it is a matter of the whole text.</param>
public readonly record struct RewardScore(double Value, double[]? TokenCredit = null);
