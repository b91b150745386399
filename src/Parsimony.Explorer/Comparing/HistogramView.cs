using Parsimony.Exploration.Index;
using Parsimony.Explorer.Parts;

namespace Parsimony.Explorer.Comparing;

/// <summary>A latent's pre-activations before and after its dials, on one axis.</summary>
internal static class HistogramView
{
    private const int Bins = 72;

    /// <summary>Shares of the tokens in even bins, of z and of c z + d; what lies in a bin of the index is spread evenly over it.</summary>
    public static (double[] Edges, double[] Before, double[] After) Of(PreActivationHistogram z, double scale, double shift)
    {
        var filled = Enumerable.Range(0, z.Counts.Count).Where(i => z.Counts[i] > 0).Select(i => (From: z.Edge(i), To: z.Edge(i + 1), Count: (double)z.Counts[i])).ToList();
        if (filled.Count == 0) return ([0, 1], [0], [0]);
        double tokens = filled.Sum(f => f.Count);
        (double From, double To, double Count) Turned((double From, double To, double Count) bin)
        {
            double a = scale * bin.From + shift, b = scale * bin.To + shift;
            return (Math.Min(a, b), Math.Max(a, b), bin.Count);
        }
        var turned = filled.Select(Turned).ToList();
        double low = Math.Min(filled.Min(f => f.From), turned.Min(f => f.From)), high = Math.Max(filled.Max(f => f.To), turned.Max(f => f.To));
        double width = Math.Max((high - low) / Bins, 1e-12);
        double[] edges = [.. Enumerable.Range(0, Bins + 1).Select(i => low + i * width)];
        double[] Spread(List<(double From, double To, double Count)> bins)
        {
            var shares = new double[Bins];
            foreach (var (from, to, count) in bins)
            {
                int first = Math.Clamp((int)((from - low) / width), 0, Bins - 1), last = Math.Clamp((int)((to - low) / width), 0, Bins - 1);
                for (int i = first; i <= last; i++)
                {
                    double part = to - from < 1e-12 ? (first == last || i == first ? 1 : 0) : Math.Max(0, Math.Min(to, edges[i + 1]) - Math.Max(from, edges[i])) / (to - from);
                    shares[i] += count * part / tokens;
                }
            }
            return shares;
        }
        return (edges, Spread(filled), Spread(turned));
    }

    /// <summary>The picture: filled before, outlined after; rules where it begins to fire, in units of the pre-activation, before and after.</summary>
    public static Plot Picture(PreActivationHistogram z, double scale, double shift)
    {
        var (edges, before, after) = Of(z, scale, shift);
        double most = Math.Max(before.Max(), after.Max()), least = Math.Max(before.Concat(after).Where(s => s > 0).DefaultIfEmpty(1e-6).Min(), 1e-7);
        var plot = new Plot((edges[0], edges[^1]), (least, Math.Max(most, 2 * least)), "pre-activation", "share of tokens", logY: true, height: 220)
            .Bars(edges, before).Bars(edges, after, "ghost").Rule(z.Threshold);
        return scale != 0 && (scale != 1 || shift != 0) ? plot.Rule((z.Threshold - shift) / scale) : plot;
    }
}
