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
        return double.IsInfinity(t) ? 0 : IncompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t), t * t / (degrees + t * t));
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

    // Regularised, by its continued fraction (Abramowitz and Stegun 26.5.8) on the side where it converges; y = 1 - x, given so that no digits are lost.
    private static double IncompleteBeta(double a, double b, double x, double y)
    {
        if (x <= 0) return 0;
        if (y <= 0) return 1;
        if (x > (a + 1) / (a + b + 2)) return 1 - IncompleteBeta(b, a, y, x);
        double front = Math.Exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * Math.Log(x) + b * Math.Log(y)) / a;
        const double tiny = 1e-300;
        double c = 1, d = 1 / Away(1 - (a + b) * x / (a + 1)), fraction = d;
        for (int m = 1; m < 1000; m++)
        {
            double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            (d, c) = (1 / Away(1 + even * d), Away(1 + even / c));
            fraction *= d * c;
            (d, c) = (1 / Away(1 + odd * d), Away(1 + odd / c));
            fraction *= d * c;
            if (Math.Abs(d * c - 1) < 1e-15) break;
        }
        return front * fraction;

        static double Away(double v) => Math.Abs(v) < tiny ? tiny : v;
    }

    // Stirling's series after shifting the argument to where it has 15 digits.
    private static double LogGamma(double x)
    {
        double shift = 0;
        for (; x < 12; x++) shift += Math.Log(x);
        double r = 1 / x, s = r * r;
        return (x - 0.5) * Math.Log(x) - x + 0.5 * Math.Log(2 * Math.PI) + r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) - shift;
    }
}
