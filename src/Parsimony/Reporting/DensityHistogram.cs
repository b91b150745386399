using Parsimony.Evaluation;

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

    /// <summary>Counts densities in bins as those of <see cref="SparsityReport"/>, from the decade of the rarest latent to 1.</summary>
    /// <param name="densities">Density of every latent, 0 to 1.</param>
    public static DensityHistogram Of(IReadOnlyCollection<double> densities)
    {
        double rarest = densities.Where(density => density > 0).DefaultIfEmpty(0.1).Min();
        int decades = Math.Max(1, (int)Math.Ceiling(-Math.Log10(rarest)));
        var (edges, counts) = SparsityReport.Bin(densities, decades);
        return new DensityHistogram
        {
            Log10Edges = edges,
            Counts = counts,
            Dead = densities.Count(density => density <= 0),
        };
    }
}
