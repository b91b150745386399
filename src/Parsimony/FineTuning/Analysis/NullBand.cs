using MathNet.Numerics.Statistics;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// What the same training does when there is nothing to learn (shuffled labels, rewards of random sign), as a measure for what a true run did: a
/// feature's movement counts only beyond it. Nothing is assumed of its distribution; with few null runs it is rough.
/// </summary>
public sealed record NullBand
{
    /// <summary>Null runs.</summary>
    public required int Runs { get; init; }

    /// <summary>The quantile, such as 0.99.</summary>
    public required double Quantile { get; init; }

    /// <summary>That quantile of the movement of all latents of all null runs together.</summary>
    public required double Threshold { get; init; }

    /// <summary>Latents of the true run whose movement lies above it, ascending.</summary>
    public required int[] Beyond { get; init; }

    /// <summary>Latents of each null run above the same quantile of the other null runs (of its own, where it is alone).</summary>
    public required int[] BeyondInNull { get; init; }

    /// <summary>The largest movement of each latent in any null run, <c>[d_sae]</c>.</summary>
    public required double[] LatentMost { get; init; }

    /// <summary>Ranks of the movement, thinned, ascending from 1.</summary>
    public required int[] Ranks { get; init; }

    /// <summary>The true run's movement at these ranks.</summary>
    public required double[] Movement { get; init; }

    /// <summary>The smallest movement of any null run at these ranks.</summary>
    public required double[] Low { get; init; }

    /// <summary>The largest.</summary>
    public required double[] High { get; init; }

    /// <summary>Whether more latents are beyond the null runs' threshold than in any null run.</summary>
    public bool AnyMoved => Beyond.Length > BeyondInNull.Max();

    /// <summary>The verdict in words.</summary>
    public string Sentence => AnyMoved
        ? $"{Beyond.Length} latents moved farther than {100 * Quantile:0.##} % of the latents of {Count}; without a signal it is {Span}."
        : $"Nothing here is beyond {(Runs == 1 ? "the null run" : "the null runs")}: {Beyond.Length} latents moved farther than {100 * Quantile:0.##} % of the latents of {Count}, and without a signal it is {Span}.";

    private string Count => Runs == 1 ? "the null run" : $"{Runs} null runs";

    private string Span => BeyondInNull.Min() == BeyondInNull.Max() ? $"{BeyondInNull[0]}" : $"{BeyondInNull.Min()} to {BeyondInNull.Max()}";

    /// <summary>Compares a run with null runs of the same budget.</summary>
    /// <param name="movement">Of each latent in the true run, <c>[d_sae]</c>, such as <see cref="DialEffects.Effect"/>.</param>
    /// <param name="nulls">The same of each null run, on the same texts; one or more.</param>
    /// <param name="quantile">Above 0 and below 1. Default 0.99.</param>
    /// <exception cref="ArgumentException">There is no null run, or one has another number of latents.</exception>
    public static NullBand Of(IReadOnlyList<double> movement, IReadOnlyList<IReadOnlyList<double>> nulls, double quantile = 0.99)
    {
        if (nulls.Count == 0) throw new ArgumentException("there is no null run; give one or more.", nameof(nulls));
        if (nulls.Any(n => n.Count != movement.Count)) throw new ArgumentException(
            $"the null runs have {string.Join(", ", nulls.Select(n => n.Count))} latents, the run {movement.Count}; they must be of the same SAE.", nameof(nulls));
        if (quantile is not (> 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(quantile), quantile, "the quantile must be above 0 and below 1.");
        double threshold = QuantileOf(nulls.SelectMany(n => n), quantile);
        double[][] sorted = [.. nulls.Select(n => (double[])[.. n.OrderDescending()])];
        double[] own = [.. movement.OrderDescending()];
        int[] ranks = [.. KeepDropCurves.Sizes(movement.Count).Skip(1)];
        return new NullBand
        {
            Runs = nulls.Count,
            Quantile = quantile,
            Threshold = threshold,
            Beyond = [.. Enumerable.Range(0, movement.Count).Where(i => movement[i] > threshold)],
            BeyondInNull = [.. nulls.Select((n, run) =>
            {
                double others = nulls.Count == 1 ? threshold : QuantileOf(nulls.Where((_, other) => other != run).SelectMany(o => o), quantile);
                return n.Count(m => m > others);
            })],
            LatentMost = [.. Enumerable.Range(0, movement.Count).Select(i => nulls.Max(n => n[i]))],
            Ranks = ranks,
            Movement = [.. ranks.Select(r => own[r - 1])],
            Low = [.. ranks.Select(r => sorted.Min(s => s[r - 1]))],
            High = [.. ranks.Select(r => sorted.Max(s => s[r - 1]))],
        };
    }

    private static double QuantileOf(IEnumerable<double> values, double share) => SortedArrayStatistics.QuantileCustom([.. values.Order()], share, QuantileDefinition.R7);
}
