namespace Parsimony.Exploration.Labels;

/// <summary>How far two rows of numbers go together.</summary>
public static class Correlation
{
    /// <summary>Pearson's correlation, -1 to 1; 0 where a row is constant, for it tells nothing of the other.</summary>
    /// <param name="x">One row.</param>
    /// <param name="y">The other, as long.</param>
    /// <exception cref="ArgumentException">They are not equally long.</exception>
    public static double Pearson(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        if (x.Length != y.Length) throw new ArgumentException($"x has {x.Length} numbers and y {y.Length}; expected as many of both.");
        double meanX = 0, meanY = 0, xx = 0, yy = 0, xy = 0;
        for (int i = 0; i < x.Length; i++) (meanX, meanY) = (meanX + x[i] / x.Length, meanY + y[i] / x.Length);
        for (int i = 0; i < x.Length; i++)
        {
            (double dx, double dy) = (x[i] - meanX, y[i] - meanY);
            (xx, yy, xy) = (xx + dx * dx, yy + dy * dy, xy + dx * dy);
        }
        return IsConstant(x) || IsConstant(y) ? 0 : Math.Clamp(xy / Math.Sqrt(xx * yy), -1, 1);
    }

    /// <summary>Spearman's: Pearson's of the ranks, equal numbers sharing the mean of theirs.</summary>
    /// <param name="x">One row.</param>
    /// <param name="y">The other, as long.</param>
    /// <exception cref="ArgumentException">They are not equally long.</exception>
    public static double Spearman(ReadOnlySpan<double> x, ReadOnlySpan<double> y) => Pearson(Ranks(x), Ranks(y));

    /// <summary>The rank of each number, from 1; equal numbers share the mean of theirs.</summary>
    internal static double[] Ranks(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray(), ranks = new double[values.Length];
        int[] places = [.. Enumerable.Range(0, sorted.Length)];
        Array.Sort(sorted, places);
        for (int start = 0, end; start < sorted.Length; start = end)
        {
            for (end = start + 1; end < sorted.Length && sorted[end] == sorted[start]; end++) { }
            for (int i = start; i < end; i++) ranks[places[i]] = (start + 1 + end) / 2d;
        }
        return ranks;
    }

    // By the numbers themselves: the sum of squares of a constant row need not come out as 0.
    private static bool IsConstant(ReadOnlySpan<double> values) => values.IsEmpty || !values.ContainsAnyExcept(values[0]);
}
