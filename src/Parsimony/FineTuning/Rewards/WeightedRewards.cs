namespace Parsimony.FineTuning.Rewards;

/// <summary>One reward of a sum: who gave it, what it counts for, and its scores before the weight.</summary>
/// <param name="Name">The reward's name.</param>
/// <param name="Weight">What its scores are multiplied by.</param>
/// <param name="Scores">One for each text, not weighted.</param>
public sealed record RewardPart(string Name, double Weight, IReadOnlyList<RewardScore> Scores)
{
    /// <summary>The mean over texts, not weighted; NaN without texts.</summary>
    public double Mean => Scores.Count == 0 ? double.NaN : Scores.Average(s => s.Value);
}

/// <summary>
/// The sum of several rewards, each with its weight: R = sum over parts of weight * value. What the parts give is checked here, at the one door
/// between rewards and learning.
/// </summary>
public sealed class WeightedRewards : IReward, IDisposable
{
    private readonly List<(IReward Reward, double Weight)> parts;

    /// <summary>A sum.</summary>
    /// <param name="parts">One or more, of different names. Those that can be disposed of are from here on owned by this object.</param>
    /// <exception cref="ArgumentException">There are none, two share a name, or a weight is not finite.</exception>
    public WeightedRewards(params IEnumerable<(IReward Reward, double Weight)> parts)
    {
        this.parts = [.. parts];
        if (this.parts.Count == 0) throw new ArgumentException("there is no reward to add up; give one or more.", nameof(parts));
        foreach (var group in this.parts.GroupBy(p => p.Reward.Name, StringComparer.Ordinal))
            if (group.Count() > 1) throw new ArgumentException($"{group.Count()} rewards are called '{group.Key}'. Give each a name of its own, so that logs can tell them apart.", nameof(parts));
        foreach (var (reward, weight) in this.parts)
            if (!double.IsFinite(weight)) throw new ArgumentException($"the weight of reward '{reward.Name}' is {weight}; it must be finite.", nameof(parts));
    }

    /// <inheritdoc/>
    public string Name => "sum";

    /// <summary>The scores of every part, in the order of the parts.</summary>
    /// <exception cref="InvalidOperationException">A part gave too few or too many scores, one that is not finite, or credits that are not as many
    /// as the tokens or do not add up to their score; the message names the part and the text.</exception>
    public IReadOnlyList<RewardPart> Parts(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default)
    {
        var scored = new List<RewardPart>(parts.Count);
        foreach (var (reward, weight) in parts)
        {
            cancellation.ThrowIfCancellationRequested();
            var scores = reward.Score(texts, cancellation);
            if (scores.Count != texts.Count) throw new InvalidOperationException(
                $"reward '{reward.Name}' gave {scores.Count} scores for {texts.Count} texts. It must give one for each.");
            for (int i = 0; i < texts.Count; i++) Check(reward.Name, texts[i], scores[i]);
            scored.Add(new RewardPart(reward.Name, weight, scores));
        }
        return scored;
    }

    /// <summary>The weighted sum of <paramref name="parts"/>, text by text. Where a part has credits per token the sum has too; a part without
    /// then lies on the last token, where the text is judged as a whole.</summary>
    /// <param name="texts">The texts that were scored.</param>
    /// <param name="parts">What <see cref="Parts"/> gave for them.</param>
    public static IReadOnlyList<RewardScore> Sum(IReadOnlyList<RewardText> texts, IReadOnlyList<RewardPart> parts)
    {
        var sums = new RewardScore[texts.Count];
        for (int i = 0; i < sums.Length; i++)
        {
            double value = parts.Sum(p => p.Weight * p.Scores[i].Value);
            int tokens = texts[i].Tokens.Length;
            if (tokens == 0 || parts.All(p => p.Scores[i].TokenCredit is null))
            {
                sums[i] = new RewardScore(value);
                continue;
            }
            double[] credit = new double[tokens];
            foreach (var part in parts)
            {
                if (part.Scores[i].TokenCredit is not { } own) credit[^1] += part.Weight * part.Scores[i].Value;
                else for (int t = 0; t < tokens; t++) credit[t] += part.Weight * own[t];
            }
            sums[i] = new RewardScore(value, credit);
        }
        return sums;
    }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) =>
        Sum(texts, Parts(texts, cancellation));

    /// <summary>The names of the parts, in their order.</summary>
    public IEnumerable<string> Names => parts.Select(p => p.Reward.Name);

    /// <summary>What the parts have to say after all texts so far, such as a lexicon that never matched: one sentence each.</summary>
    public IEnumerable<string> Warnings => parts.Select(p => p.Reward).OfType<IWarnsOfItself>().Select(r => r.Warning).OfType<string>();

    /// <summary>Disposes of the parts that can be.</summary>
    public void Dispose()
    {
        foreach (var part in parts) (part.Reward as IDisposable)?.Dispose();
    }

    private static void Check(string name, RewardText text, RewardScore score)
    {
        if (!double.IsFinite(score.Value)) throw Wrong($"gave {score.Value}; a reward must be finite");
        if (score.TokenCredit is not { } credit) return;
        if (credit.Length != text.Tokens.Length) throw Wrong($"gave {credit.Length} credits for {text.Tokens.Length} tokens; there must be one for each");
        double sum = credit.Sum();
        if (!(Math.Abs(sum - score.Value) <= 1e-6 * Math.Max(1, credit.Sum(Math.Abs)))) // NaN is no agreement either
            throw Wrong($"gave credits that add up to {sum}, not to its score {score.Value}");

        InvalidOperationException Wrong(string what) => new($"reward '{name}' {what}. The text was '{text.Excerpt}'.");
    }
}
