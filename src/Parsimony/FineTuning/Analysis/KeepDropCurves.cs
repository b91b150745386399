namespace Parsimony.FineTuning.Analysis;

/// <summary>One point of the curves: the objective with the k strongest features alone, without them, and the same for k drawn at random.</summary>
/// <param name="Features">k.</param>
/// <param name="Keep">With the k strongest features' dials alone.</param>
/// <param name="Drop">With all dials but theirs.</param>
/// <param name="KeepRandom">As <paramref name="Keep"/>, for as many drawn at random, one number for each draw.</param>
/// <param name="DropRandom">As <paramref name="Drop"/>, likewise.</param>
public sealed record KeepDropPoint(int Features, ObjectiveValue Keep, ObjectiveValue Drop, IReadOnlyList<double> KeepRandom, IReadOnlyList<double> DropRandom);

/// <summary>How few features carry the change: kept and dropped in the order of a ranking, against random ones of the same number.</summary>
public sealed record KeepDropCurves
{
    /// <summary>From 0 features to all that changed.</summary>
    public required IReadOnlyList<KeepDropPoint> Points { get; init; }

    /// <summary>The fewest features of a point whose dials alone bring nine tenths of the change of the objective; null where no point does, or nothing changed.</summary>
    public int? NineTenthsAt { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="objective">What is measured.</param>
    /// <param name="ranking">All features that changed, strongest first.</param>
    /// <param name="drawFrom">Those that random ones are drawn from: those with an effect, for one that never fires is no match for one that does.</param>
    /// <param name="draws">How many random sets of each size, 0 or more. A draw's smaller sets are within its larger ones.</param>
    /// <param name="seed">Decides which.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="each">Called after each point.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static KeepDropCurves Measure(
        DialSeam seam, DialChange change, IObjective objective, IReadOnlyList<int> ranking, IReadOnlyList<int> drawFrom, int draws, long seed = 0,
        int batchSize = 8, Action? each = null, CancellationToken cancellation = default)
    {
        int[][] orders = [.. Enumerable.Range(0, draws).Select(s => Permutation.Draw(drawFrom.Count, seed, RandomUse.Controls, s))];
        ObjectiveValue At(DialChange dials) => objective.Measure(seam, dials, batchSize, cancellation);
        var points = new List<KeepDropPoint>();
        foreach (int k in Sizes(ranking.Count))
        {
            int[] strongest = [.. ranking.Take(k)];
            int[][] random = k == 0 || k >= drawFrom.Count ? [] : [.. orders.Select(order => (int[])[.. order.Take(k).Select(i => drawFrom[i])])];
            points.Add(new(k, At(change.Only(strongest)), At(change.Without(strongest)),
                [.. random.Select(set => At(change.Only(set)).Total)], [.. random.Select(set => At(change.Without(set)).Total)]));
            each?.Invoke();
        }
        double from = points[0].Keep.Total, gain = points[^1].Keep.Total - from;
        return new KeepDropCurves
        {
            Points = points,
            NineTenthsAt = gain == 0 ? null : points.Where(p => (p.Keep.Total - from) / gain >= 0.9).Select(p => (int?)p.Features).FirstOrDefault(),
        };
    }

    /// <summary>0, 1, 2, 5, 10, 20, 50, ... and all.</summary>
    internal static IReadOnlyList<int> Sizes(int all)
    {
        var sizes = new List<int> { 0 };
        for (int decade = 1; decade <= all; decade *= 10)
            sizes.AddRange(new[] { decade, 2 * decade, 5 * decade }.Where(k => k < all));
        if (all > 0) sizes.Add(all);
        return sizes;
    }
}
