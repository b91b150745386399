using MathNet.Numerics;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Student's t distribution, and what is made of many p values.</summary>
public static class StudentT
{
    /// <summary>Probability of a value as far from 0 as t or farther, on both sides: <c>I_x(df / 2, 1 / 2)</c> with <c>x = df / (df + t²)</c>
    /// (Abramowitz and Stegun 26.7.1).</summary>
    /// <param name="t">The value; NaN gives NaN.</param>
    /// <param name="degrees">Degrees of freedom, above 0.</param>
    public static double TwoSided(double t, double degrees)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(degrees);
        if (double.IsNaN(t)) return double.NaN;
        return t * t < degrees ? 1 - SpecialFunctions.BetaRegularized(0.5, degrees / 2, t * t / (degrees + t * t)) // near 0, x is too near 1 to have its digits
            : SpecialFunctions.BetaRegularized(degrees / 2, 0.5, degrees / (degrees + t * t));
    }

    /// <summary>q values: the smallest false discovery rate at which each would be called a discovery, <c>min over j of rank i or later of m p_(j) / j</c>
    /// (Benjamini and Hochberg 1995).</summary>
    /// <param name="p">The p values of the whole family, each 0 to 1.</param>
    /// <returns>As many, in the same order.</returns>
    public static double[] FalseDiscoveryRates(IReadOnlyList<double> p)
    {
        int[] order = [.. Enumerable.Range(0, p.Count).OrderBy(i => p[i])];
        double[] q = new double[p.Count];
        double least = 1;
        for (int rank = p.Count; rank >= 1; rank--)
            q[order[rank - 1]] = least = Math.Min(least, p.Count * p[order[rank - 1]] / rank);
        return q;
    }
}
