namespace Parsimony.FineTuning.Analysis;

/// <summary>A method by what it gained and what it cost.</summary>
/// <param name="Name">The method.</param>
/// <param name="Cost">Less is better: KL, perplexity.</param>
/// <param name="Gain">More is better: reward, or the fall of the loss.</param>
/// <param name="TrainableParameters">Numbers that were learnt; null where it is not known.</param>
/// <param name="Kl">KL to the model it started from, in the objective's unit; null where it is not known.</param>
/// <param name="DistinctPairs">Different pairs of tokens / pairs of tokens of what it says; null where nothing was sampled.</param>
public sealed record ParetoPoint(string Name, double Cost, double Gain, long? TrainableParameters = null, double? Kl = null, double? DistinctPairs = null)
{
    /// <summary>Whether another method costs no more, gains no less, and is better in one of the two.</summary>
    public bool Dominated { get; init; }
}

/// <summary>Methods side by side.</summary>
public static class Pareto
{
    /// <summary>The same points, each told whether it is dominated by another.</summary>
    /// <exception cref="ArgumentException">A number is not finite.</exception>
    public static IReadOnlyList<ParetoPoint> Of(IReadOnlyList<ParetoPoint> points)
    {
        foreach (var p in points)
            if (!double.IsFinite(p.Cost) || !double.IsFinite(p.Gain)) throw new ArgumentException($"'{p.Name}' has cost {p.Cost} and gain {p.Gain}; both must be finite.", nameof(points));
        return [.. points.Select(p => p with
        {
            Dominated = points.Any(q => q.Cost <= p.Cost && q.Gain >= p.Gain && (q.Cost < p.Cost || q.Gain > p.Gain)),
        })];
    }
}
