namespace Parsimony.Reporting;

/// <summary>The dials c and d of all latents after fine-tuning, as sorted curves.</summary>
public sealed record DialSummary
{
    /// <summary>c, ascending, thinned to at most 401 evenly spaced ranks; 1 changes nothing.</summary>
    public required IReadOnlyList<double> Scale { get; init; }

    /// <summary>d, ascending, thinned in the same way; 0 changes nothing.</summary>
    public required IReadOnlyList<double> Shift { get; init; }

    /// <summary>Fraction of latents with c below 1.</summary>
    public required double ScaleBelowOne { get; init; }

    /// <summary>Latents that fired on the evaluation text before and never after; null when not measured.</summary>
    public int? Killed { get; init; }

    /// <summary>Sorts the dials.</summary>
    /// <param name="scale">c of every latent.</param>
    /// <param name="shift">d of every latent.</param>
    /// <param name="killed">Latents that fell silent; null when not measured.</param>
    public static DialSummary Of(IReadOnlyList<float> scale, IReadOnlyList<float> shift, int? killed = null) => new()
    {
        Scale = Thin(scale),
        Shift = Thin(shift),
        ScaleBelowOne = scale.Count(c => c < 1) / (double)Math.Max(1, scale.Count),
        Killed = killed,
    };

    private static double[] Thin(IReadOnlyList<float> values)
    {
        const int most = 401;
        float[] sorted = [.. values.Order()];
        int kept = Math.Min(most, sorted.Length);
        return [.. Enumerable.Range(0, kept).Select(i => (double)sorted[(int)((long)i * (sorted.Length - 1) / Math.Max(1, kept - 1))])];
    }
}
