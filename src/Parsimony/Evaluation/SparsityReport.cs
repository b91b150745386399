namespace Parsimony.Evaluation;

/// <summary>How often each latent fires on a text. All figures follow from the firing counts, see <see cref="FromCounts"/>.</summary>
public sealed record SparsityReport
{
    /// <summary>A latent that fires on more than this fraction of tokens is called dense.</summary>
    public const double DenseAbove = 0.1;

    /// <summary>Bins of the histogram per power of ten.</summary>
    public const int BinsPerDecade = 4;

    /// <summary>Tokens counted.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Fraction of tokens on which each latent fires, <c>[d_sae]</c>, each 0..1.</summary>
    public required double[] Density { get; init; }

    /// <summary>Latents that never fired on these tokens.</summary>
    public required int Dead { get; init; }

    /// <summary>Latents with a density above <see cref="DenseAbove"/>.</summary>
    public required int Dense { get; init; }

    /// <summary>Edges of the histogram's bins in log10(density), rising to 0; one more than there are bins.</summary>
    public required double[] Log10BinEdges { get; init; }

    /// <summary>Live latents in each bin, lower edge included, upper edge too in the last; dead latents are in none.</summary>
    public required int[] BinCounts { get; init; }

    /// <summary>Mean number of latents that fire on a token.</summary>
    public double L0 => Density.Sum();

    /// <summary>Fraction of latents that never fired, 0..1.</summary>
    public double DeadFraction => (double)Dead / Density.Length;

    /// <summary>Fraction of latents with a density above <see cref="DenseAbove"/>, 0..1.</summary>
    public double DenseFraction => (double)Dense / Density.Length;

    /// <summary>The report for given counts.</summary>
    /// <param name="fired">On how many tokens each latent fired, <c>[d_sae]</c>.</param>
    /// <param name="tokens">Tokens counted, 1 or more.</param>
    public static SparsityReport FromCounts(IReadOnlyList<long> fired, long tokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        double[] density = [.. fired.Select(count => (double)count / tokens)];
        // The rarest a live latent can be is once; the first edge is the whole decade at or below that.
        int decades = Math.Max(1, (int)Math.Ceiling(Math.Log10(tokens)));
        var (edges, counts) = Bin(density, decades);
        return new SparsityReport
        {
            TokensSeen = tokens,
            Density = density,
            Dead = density.Count(d => d == 0),
            Dense = density.Count(d => d > DenseAbove),
            Log10BinEdges = edges,
            BinCounts = counts,
        };
    }

    /// <summary>Counts the live latents by log10(density) in bins from 10^-decades to 1; what is rarer counts in the first.</summary>
    internal static (double[] Log10Edges, int[] Counts) Bin(IEnumerable<double> density, int decades)
    {
        int bins = decades * BinsPerDecade;
        var counts = new int[bins];
        foreach (double d in density.Where(d => d > 0))
            counts[Math.Clamp((int)Math.Floor((Math.Log10(d) + decades) * BinsPerDecade), 0, bins - 1)]++;
        return ([.. Enumerable.Range(0, bins + 1).Select(i => (double)i / BinsPerDecade - decades)], counts);
    }
}
