namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward that is a function of the caller's.</summary>
public sealed class DelegateReward : IReward
{
    private readonly Func<IReadOnlyList<RewardText>, IReadOnlyList<RewardScore>> judge;

    /// <summary>A function of one text, such as <c>text => -text.Text.Count(char.IsUpper)</c>.</summary>
    public DelegateReward(string name, Func<RewardText, double> judge)
        : this(name, texts => [.. texts.Select(text => new RewardScore(judge(text)))])
    {
    }

    /// <summary>A function of a batch, which may also say what each token adds.</summary>
    public DelegateReward(string name, Func<IReadOnlyList<RewardText>, IReadOnlyList<RewardScore>> judge) => (Name, this.judge) = (name, judge);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) => judge(texts);
}
