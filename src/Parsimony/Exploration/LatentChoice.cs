using Parsimony.Evaluation;
using Parsimony.Exploration.Index;

namespace Parsimony.Exploration;

/// <summary>Chooses latents worth looking at.</summary>
public static class LatentChoice
{
    /// <summary>All latents that fire: those whose effect was measured first, the largest in front; then the others by their mean activation.</summary>
    /// <param name="index">The latents.</param>
    public static int[] Strongest(FeatureIndex index)
    {
        uint[] fired = index.Fired.ToArray();
        float[] effect = index.Effect.ToArray();
        return [.. index.Ranked(IndexColumn.Effect, where: i => fired[i] > 0 && !float.IsNaN(effect[i])), .. index.Ranked(IndexColumn.Mean, where: i => fired[i] > 0 && float.IsNaN(effect[i]))];
    }

    /// <summary>
    /// Those that fire in at least three contexts and on at most a tenth of the tokens are lined up by density and cut into as many equal groups as are wanted; each group sends the one with the largest
    /// activation, of those whose strongest token none before has, where there is such a one: ten features are to be ten, not one told ten times.
    /// Where there are too few, those that fire at all are taken. No chance is involved.
    /// </summary>
    /// <param name="index">The latents.</param>
    /// <param name="count">How many at most, 0 or more.</param>
    /// <returns>Indices, from the rarest latent to the most frequent.</returns>
    public static int[] Of(FeatureIndex index, int count) => Of(index.Density, index.Max, index.ContextsFired, index.PeakToken, count);

    /// <summary>The same from columns.</summary>
    internal static int[] Of(ReadOnlySpan<float> densities, ReadOnlySpan<float> maxima, ReadOnlySpan<uint> contexts, ReadOnlySpan<int> peaks, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var (density, max, fired, peakToken) = (densities.ToArray(), maxima.ToArray(), contexts.ToArray(), peaks.ToArray());
        int[] alive = [.. Enumerable.Range(0, density.Length).Where(i => density[i] > 0).OrderBy(i => density[i]).ThenBy(i => i)];
        int[] fit = [.. alive.Where(i => fired[i] >= 3 && density[i] <= SparsityReport.DenseAbove)];
        if (fit.Length < count) fit = alive;
        count = Math.Min(count, fit.Length);
        var chosen = new int[count];
        var told = new HashSet<int>();
        for (int group = 0; group < count; group++)
        {
            int[] members = fit[(int)((long)group * fit.Length / count)..(int)((long)(group + 1) * fit.Length / count)];
            int[] news = [.. members.Where(i => !told.Contains(peakToken[i]))];
            chosen[group] = (news.Length > 0 ? news : members).MaxBy(i => max[i]);
            told.Add(peakToken[chosen[group]]);
        }
        return chosen;
    }
}
