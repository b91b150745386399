namespace Parsimony.FineTuning;

/// <summary>Splits what is learnt from into one part to learn from and one to measure on; the seed decides which is which.</summary>
public static class HoldOut
{
    /// <summary>The two parts, each in its old order; with a fraction above 0 neither is empty.</summary>
    /// <param name="all">Two or more, unless nothing is held out.</param>
    /// <param name="fraction">0 to below 1.</param>
    /// <param name="seed">Decides.</param>
    /// <param name="origin">What has the same origin, such as a prompt, stays on one side, where the fraction allows it; null: each is by itself.</param>
    /// <exception cref="ArgumentException">The fraction is out of its range, or there are too few.</exception>
    public static (List<T> Train, List<T> HeldOut) Split<T>(IReadOnlyList<T> all, double fraction, long seed, Func<T, string>? origin = null)
    {
        if (fraction is not (>= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(fraction), fraction, "the held-out fraction must be 0 or more and below 1.");
        if (fraction == 0) return ([.. all], []);
        if (all.Count < 2) throw new ArgumentException(
            $"{all.Count} example(s) cannot be split into training and held-out ones. Give more data or a held-out file.", nameof(all));
        int wanted = Math.Clamp((int)Math.Round(all.Count * fraction), 1, all.Count - 1);
        int[][] together = [.. Enumerable.Range(0, all.Count).GroupBy(i => origin is null ? i : (object)origin(all[i])).Select(g => g.ToArray())];
        var chosen = new HashSet<int>();
        foreach (int g in Permutation.Draw(together.Length, seed, RandomUse.HoldOut, 0))
            if (chosen.Count + together[g].Length <= wanted) chosen.UnionWith(together[g]);
        if (chosen.Count <= wanted / 2) chosen = [.. Permutation.Draw(all.Count, seed, RandomUse.HoldOut, 0).Take(wanted)]; // few origins, of many each
        return ([.. all.Where((_, i) => !chosen.Contains(i))], [.. all.Where((_, i) => chosen.Contains(i))]);
    }
}
