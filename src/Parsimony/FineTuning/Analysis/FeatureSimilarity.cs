namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// Whether a feature is still the same one after fine-tuning (the article's question). Its direction is frozen, so what can differ is when it fires: with
/// d = 0 and c above 0 the correlation is exactly 1, whatever c is; only a shift makes a feature another.
/// </summary>
public sealed record FeatureSimilarity
{
    /// <summary>Correlation of f before and f after over all tokens, <c>[d_sae]</c>; NaN where one of them is constant, such as for a latent that is off.</summary>
    public required double[] Pearson { get; init; }

    /// <summary>Of the texts on which it fires most, before and after: those in both lists / those in either, <c>[d_sae]</c>; NaN where both are empty.</summary>
    public required double[] ContextJaccard { get; init; }

    /// <summary>Tokens it fires on after / before, <c>[d_sae]</c>; NaN where it did not fire before.</summary>
    public required double[] FiringRatio { get; init; }

    /// <summary>Of tokens it fires on before and after: in both / in either, <c>[d_sae]</c>; NaN where it never fires.</summary>
    public required double[] FiringJaccard { get; init; }

    /// <summary>Looks at texts.</summary>
    /// <param name="seam">Model and SAE, whose dials alone are to turn (<see cref="DialSeam.Only"/>).</param>
    /// <param name="change">The dials.</param>
    /// <param name="texts">One or more; only tokens at which the dials act count.</param>
    /// <param name="topContexts">How many texts a list has at most, 1 or more.</param>
    /// <param name="cancellation">Stops between two texts.</param>
    public static FeatureSimilarity Measure(DialSeam seam, DialChange change, IReadOnlyList<SftExample> texts, int topContexts = 10, CancellationToken cancellation = default) =>
        Of(LatentActivity.Of(seam, change, texts, cancellation), topContexts);

    internal static FeatureSimilarity Of(LatentActivity a, int topContexts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(topContexts, 1);
        int[] all = [.. Enumerable.Range(0, a.Before.Length)];
        return new FeatureSimilarity
        {
            Pearson = a.Pearson,
            ContextJaccard = [.. all.Select(i => Jaccard(Top(a.PeakBefore, i, topContexts), Top(a.PeakAfter, i, topContexts)))],
            FiringRatio = [.. all.Select(i => a.Before[i] == 0 ? double.NaN : a.After[i] / a.Before[i])],
            FiringJaccard = [.. all.Select(i => a.Both[i] / (a.Before[i] + a.After[i] - a.Both[i]))],
        };
    }

    // Texts by their strongest token; silent ones are not among them; of equals the earlier.
    private static HashSet<int> Top(float[][] peaks, int latent, int most) =>
        [.. Enumerable.Range(0, peaks.Length).Where(text => peaks[text][latent] > 0).OrderByDescending(text => peaks[text][latent]).Take(most)];

    private static double Jaccard(HashSet<int> a, HashSet<int> b)
    {
        int both = a.Count(b.Contains);
        return (double)both / (a.Count + b.Count - both);
    }
}
