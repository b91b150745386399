namespace Parsimony.FineTuning.Rewards;

/// <summary>The score of a text by what was found in it.</summary>
internal static class HitScore
{
    /// <summary>scale * (sum of the weights, held within +-cap). Each hit's share of it lies evenly on the tokens the hit comes from.</summary>
    public static RewardScore Of(RewardText text, IEnumerable<(int Start, int Length, double Weight)> hits, double scale, double? cap, bool perToken)
    {
        var found = hits.ToList();
        double sum = found.Sum(h => h.Weight);
        double held = cap is { } most ? Math.Clamp(sum, -most, most) : sum;
        if (!perToken) return new RewardScore(scale * held);
        double[] credit = new double[text.Tokens.Length];
        double each = sum == 0 ? scale : scale * (held / sum);
        foreach (var (start, length, weight) in found) text.Credit(credit, start, length, each * weight);
        return new RewardScore(scale * held, credit);
    }
}
