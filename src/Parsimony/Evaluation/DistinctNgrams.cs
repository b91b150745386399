using System.Runtime.InteropServices;

namespace Parsimony.Evaluation;

/// <summary>How varied texts are.</summary>
public static class DistinctNgrams
{
    /// <summary>distinct-n (Li et al. 2016, arXiv 1510.03055): different n-grams of tokens over all texts / n-grams, none reaching from one text
    /// into the next. 1: nothing is said twice. It falls as there are more tokens, so compare equally long sets. NaN where no text has n tokens.</summary>
    /// <param name="texts">The token ids of each text.</param>
    /// <param name="n">1 or more.</param>
    public static double Of(IEnumerable<int[]> texts, int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        long all = 0;
        foreach (int[] text in texts)
            for (int at = 0; at + n <= text.Length; at++, all++)
                seen.Add(new string(MemoryMarshal.Cast<int, char>(text.AsSpan(at, n)))); // two characters for each id
        return all == 0 ? double.NaN : (double)seen.Count / all;
    }
}
