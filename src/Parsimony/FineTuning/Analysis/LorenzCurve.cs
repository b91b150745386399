namespace Parsimony.FineTuning.Analysis;

/// <summary>How unevenly an amount lies on features: "the top 10 carry x %".</summary>
public sealed record LorenzCurve
{
    private const int MostPoints = 201;
    private static readonly int[] Tops = [1, 10, 100];

    /// <summary>Numbers of features, ascending, at most 201 of them, from 0 to all.</summary>
    public required int[] Features { get; init; }

    /// <summary>What that many of the largest carry, 0 to 1.</summary>
    public required double[] Share { get; init; }

    /// <summary>Share of the 1, 10, 100 largest, by their number.</summary>
    public required IReadOnlyDictionary<int, double> Top { get; init; }

    /// <summary>How many carry half of it.</summary>
    public required int HalfAt { get; init; }

    /// <summary>How many carry nine tenths.</summary>
    public required int NineTenthsAt { get; init; }

    /// <summary>0: all carry the same; near 1: one carries all.</summary>
    public required double Gini { get; init; }

    /// <summary>The curve of some amounts.</summary>
    /// <param name="amounts">One for each feature, 0 or more.</param>
    /// <exception cref="ArgumentException">There is none, or one is negative or not finite.</exception>
    public static LorenzCurve Of(IReadOnlyList<double> amounts)
    {
        if (amounts.Count == 0) throw new ArgumentException("there is no amount; give one for each feature.", nameof(amounts));
        foreach (double amount in amounts)
            if (!(amount >= 0) || !double.IsFinite(amount)) throw new ArgumentException($"an amount is {amount}; each must be 0 or more.", nameof(amounts));
        int n = amounts.Count;
        double[] sorted = [.. amounts.OrderDescending()];
        double[] sums = new double[n + 1];
        for (int i = 0; i < n; i++) sums[i + 1] = sums[i] + sorted[i];
        double total = sums[n];
        double ShareOf(int k) => total == 0 ? 0 : sums[Math.Min(k, n)] / total;
        int Reaching(double share) => total == 0 ? 0 : Enumerable.Range(0, n + 1).First(k => sums[k] >= share * total);
        int points = Math.Min(MostPoints, n + 1);
        int[] features = [.. Enumerable.Range(0, points).Select(i => Rank(i, points, n)).Distinct()];
        return new LorenzCurve
        {
            Features = features,
            Share = [.. features.Select(ShareOf)],
            Top = Tops.ToDictionary(k => k, ShareOf),
            HalfAt = Reaching(0.5),
            NineTenthsAt = Reaching(0.9),
            Gini = total == 0 ? 0 : (2 * Enumerable.Range(1, n).Sum(k => sums[k]) / total - n - 1) / n,
        };
    }

    // Dense where the curve bends: squares.
    private static int Rank(int i, int points, int n) => points == n + 1 ? i : (int)Math.Max(i, Math.Round(n * Math.Pow((double)i / (points - 1), 2)));
}
