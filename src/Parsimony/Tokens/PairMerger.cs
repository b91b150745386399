namespace Parsimony.Tokens;

/// <summary>Byte-pair encoding's loop (Sennrich et al. 2016): of all neighbours that may be joined, those of the lowest rank first, the leftmost first.</summary>
internal sealed class PairMerger
{
    private const int Short = 64; // up to here looking at all pairs each time is faster than a heap
    private const ulong None = ulong.MaxValue;
    private readonly Dictionary<ulong, ulong> joins = []; // left and right id to rank and joined id

    /// <summary>A loop over these pairs; of a pair that is there twice the first counts.</summary>
    public PairMerger(IEnumerable<(int Left, int Right, int Rank, int Joined)> pairs)
    {
        foreach (var (left, right, rank, joined) in pairs) joins.TryAdd(Both(left, right), Both(rank, joined));
    }

    /// <summary>Joins what can be joined and appends what remains. <paramref name="symbols"/> is used up.</summary>
    public void Merge(Span<int> symbols, List<int> ids)
    {
        if (symbols.Length <= Short) MergeShort(symbols, ids);
        else MergeLong(symbols, ids);
    }

    private void MergeShort(Span<int> symbols, List<int> ids)
    {
        Span<ulong> join = stackalloc ulong[Short];
        int n = symbols.Length;
        for (int i = 0; i + 1 < n; i++) join[i] = Join(symbols[i], symbols[i + 1]);
        while (n > 1)
        {
            int best = 0;
            for (int i = 1; i + 1 < n; i++)
                if (join[i] >> 32 < join[best] >> 32) best = i;
            if (join[best] == None) break;
            symbols[best] = (int)(uint)join[best];
            symbols[(best + 2)..n].CopyTo(symbols[(best + 1)..]);
            join[(best + 1)..(n - 1)].CopyTo(join[best..]);
            n--;
            if (best > 0) join[best - 1] = Join(symbols[best - 1], symbols[best]);
            if (best + 1 < n) join[best] = Join(symbols[best], symbols[best + 1]);
        }
        ids.AddRange(symbols[..n]);
    }

    private void MergeLong(Span<int> symbols, List<int> ids)
    {
        int[] next = new int[symbols.Length], previous = new int[symbols.Length];
        var waiting = new PriorityQueue<(int At, int Left, int Right, int Joined), (uint Rank, int At)>();
        for (int i = 0; i < symbols.Length; i++) (next[i], previous[i]) = (i + 1 < symbols.Length ? i + 1 : -1, i - 1);
        for (int i = 0; i < symbols.Length; i++) Enqueue(i, symbols);
        while (waiting.TryDequeue(out var pair, out _))
        {
            int left = pair.At, right = next[left];
            if (right < 0 || symbols[left] != pair.Left || symbols[right] != pair.Right) continue; // another pair took one of them
            (symbols[left], symbols[right], next[left]) = (pair.Joined, -1, next[right]);
            if (next[left] >= 0) previous[next[left]] = left;
            if (previous[left] >= 0) Enqueue(previous[left], symbols);
            Enqueue(left, symbols);
        }
        for (int i = 0; i >= 0; i = next[i]) ids.Add(symbols[i]);

        void Enqueue(int at, Span<int> symbols)
        {
            if (next[at] < 0 || Join(symbols[at], symbols[next[at]]) is var join && join == None) return;
            waiting.Enqueue((at, symbols[at], symbols[next[at]], (int)(uint)join), ((uint)(join >> 32), at));
        }
    }

    private ulong Join(int left, int right) => joins.TryGetValue(Both(left, right), out ulong join) ? join : None;

    private static ulong Both(int high, int low) => (ulong)(uint)high << 32 | (uint)low;
}
