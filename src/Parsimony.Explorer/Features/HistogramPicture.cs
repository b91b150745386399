using Parsimony.Exploration.Index;
using Parsimony.Explorer.Parts;

namespace Parsimony.Explorer.Features;

/// <summary>A latent's histogram as a picture, and over it what dials make of it.</summary>
/// <remarks>The histogram's bins are narrow near the threshold and wide far from it; for the eye they are spread over bins of one width, each bin's tokens evenly.</remarks>
public static class HistogramPicture
{
    private const int Bins = 96;

    /// <summary>All pre-activations, those below zero too; after: <c>c z + d</c>.</summary>
    /// <param name="histogram">The latent's.</param>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    /// <param name="log">Whether tokens are counted on a logarithmic axis.</param>
    public static Plot PreActivations(PreActivationHistogram histogram, double scale, double shift, bool log) =>
        Draw(histogram, scale, shift, log, double.NegativeInfinity, "pre-activation z").Rule(histogram.Threshold);

    /// <summary>Only where it fires.</summary>
    /// <param name="histogram">The latent's.</param>
    /// <param name="scale">c.</param>
    /// <param name="shift">d.</param>
    /// <param name="log">Whether tokens are counted on a logarithmic axis.</param>
    public static Plot Activations(PreActivationHistogram histogram, double scale, double shift, bool log) => Draw(histogram, scale, shift, log, histogram.Floor, "activation f");

    private static Plot Draw(PreActivationHistogram histogram, double scale, double shift, bool log, double above, string name)
    {
        bool isRest = scale == 1 && shift == 0;
        var (low, high) = Ends(histogram, 1, 0, above);
        if (!isRest && Ends(histogram, scale, shift, above) is var (l, h) && l <= h) (low, high) = low <= high ? (Math.Min(low, l), Math.Max(high, h)) : (l, h);
        if (!(low <= high)) (low, high) = (0, 1);
        if (low == high) high = low + Math.Max(1e-6, Math.Abs(low) / 10);
        double[] edges = [.. Enumerable.Range(0, Bins + 1).Select(i => low + (high - low) * i / Bins)];
        double[] before = histogram.Spread(edges, above: above), after = isRest ? [] : histogram.Spread(edges, scale, shift, above);
        double most = Math.Max(1, before.Concat(after).Max()), least = log ? 0.5 : 0;
        var plot = new Plot((low, high), (least, log ? most * 1.5 : most * 1.04), name, "tokens", logY: log, height: 210).Bars(edges, before);
        if (after.Length > 0) plot.Line([.. Enumerable.Range(0, Bins).SelectMany(i => new[] { edges[i], edges[i + 1] })], [.. after.SelectMany(n => new[] { Math.Max(n, least), Math.Max(n, least) })], "second");
        return plot;
    }

    private static (double Low, double High) Ends(PreActivationHistogram histogram, double scale, double shift, double above)
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        for (int i = 0; i < histogram.Counts.Count; i++)
        {
            if (histogram.Counts[i] == 0) continue;
            double a = scale * histogram.Edge(i) + shift, b = scale * histogram.Edge(i + 1) + shift;
            if (Math.Max(a, b) <= above) continue;
            (low, high) = (Math.Min(low, Math.Max(above, Math.Min(a, b))), Math.Max(high, Math.Max(a, b)));
        }
        return (low, high);
    }
}
