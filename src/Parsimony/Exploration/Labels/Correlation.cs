using MathNet.Numerics.Statistics;

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
        return IsConstant(x) || IsConstant(y) ? 0 : Math.Clamp(MathNet.Numerics.Statistics.Correlation.Pearson(x.ToArray(), y.ToArray()), -1, 1);
    }

    /// <summary>Spearman's: Pearson's of the ranks, equal numbers sharing the mean of theirs.</summary>
    /// <param name="x">One row.</param>
    /// <param name="y">The other, as long.</param>
    /// <exception cref="ArgumentException">They are not equally long.</exception>
    public static double Spearman(ReadOnlySpan<double> x, ReadOnlySpan<double> y) => Pearson(Ranks(x), Ranks(y));

    /// <summary>The rank of each number, from 1; equal numbers share the mean of theirs.</summary>
    internal static double[] Ranks(ReadOnlySpan<double> values) => ArrayStatistics.RanksInplace(values.ToArray());

    // By the numbers themselves: the sum of squares of a constant row need not come out as 0.
    private static bool IsConstant(ReadOnlySpan<double> values) => values.IsEmpty || !values.ContainsAnyExcept(values[0]);
}
