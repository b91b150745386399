namespace Parsimony.Reporting;

/// <summary>Latents counted by the decimal logarithm of their density, the fraction of tokens on which they fire.</summary>
public sealed record DensityHistogram
{
    /// <summary>Edges of the bins, ascending, one more than bins: log10 of the density, so at most 0.</summary>
    public required IReadOnlyList<double> Log10Edges { get; init; }

    /// <summary>Latents in each bin.</summary>
    public required IReadOnlyList<int> Counts { get; init; }

    /// <summary>Latents that never fired; they are in no bin.</summary>
    public required int Dead { get; init; }

    /// <summary>Counts densities in bins of a quarter of a decade, from the decade of the smallest to 1.</summary>
    /// <param name="densities">Density of every latent, from 0 to 1.</param>
    /// <param name="binsPerDecade">Bins per factor of ten.</param>
    public static DensityHistogram Of(IReadOnlyCollection<double> densities, int binsPerDecade = 4)
    {
        double[] logs = [.. densities.Where(density => density > 0).Select(Math.Log10)];
        int lowest = logs.Length == 0 ? -4 : Math.Min(-1, (int)Math.Floor(logs.Min()));
        var counts = new int[-lowest * binsPerDecade];
        foreach (double log in logs) counts[Math.Clamp((int)Math.Floor((log - lowest) * binsPerDecade), 0, counts.Length - 1)]++;
        return new DensityHistogram
        {
            Log10Edges = [.. Enumerable.Range(0, counts.Length + 1).Select(i => lowest + (double)i / binsPerDecade)],
            Counts = counts,
            Dead = densities.Count - logs.Length,
        };
    }
}
