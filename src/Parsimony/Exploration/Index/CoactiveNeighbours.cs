using Parsimony.Training.Kernels;

namespace Parsimony.Exploration.Index;

/// <summary>
/// The latents that fire on the same tokens, by the Jaccard index of their tokens, <c>both / (one or the other)</c>, over the whole SAE: exact where neither fired more often than a sketch holds, else
/// estimated on the tokens up to the smaller of the two sketches' largest hashes, with a standard error of sqrt(J (1 - J) / n) where one or the other fires on n of those.
/// </summary>
internal sealed unsafe class CoactiveNeighbours
{
    private readonly IndexState state;
    private readonly ThreadTeam team;
    private readonly long[] starts;     // [tokens + 1]: where a token's latents begin
    private readonly int[] latents;     // that keep it
    private readonly int[][] together;  // by worker: tokens shared with each latent; zeros between two calls

    public CoactiveNeighbours(IndexState state, long tokens, ThreadTeam team)
    {
        (this.state, this.team) = (state, team);
        for (int i = 0; i < state.Latents; i++) Of(i).Sort();
        starts = new long[tokens + 1];
        for (int i = 0; i < state.Latents; i++)
            foreach (ulong entry in Of(i)) starts[(uint)entry + 1]++;
        for (long t = 0; t < tokens; t++) starts[t + 1] += starts[t];
        latents = new int[starts[tokens]];
        var next = starts.AsSpan(0, (int)tokens).ToArray();
        for (int i = 0; i < state.Latents; i++)
            foreach (ulong entry in Of(i)) latents[next[(uint)entry]++] = i;
        together = [.. Enumerable.Range(0, team.Size).Select(_ => new int[state.Latents])];
    }

    /// <summary>Finds the neighbours of some latents.</summary>
    /// <param name="first">The first.</param>
    /// <param name="end">Behind the last.</param>
    public void Find(int first, int end) => team.Run(end - first, (worker, task) => Find(first + task, together[worker]));

    private void Find(int latent, int[] shared)
    {
        var mine = Of(latent);
        fixed (long* start = starts)
        fixed (int* all = latents, count = shared)
            foreach (ulong entry in mine)
                for (int* other = all + start[(uint)entry], end = all + start[(uint)entry + 1]; other < end; other++) count[*other]++;
        var best = new RankedList(state.Coactive + (long)latent * state.Neighbours, state.Neighbours);
        shared[latent] = 0;
        for (int other = 0; other < shared.Length; other++)
            if (shared[other] > 0) best.Add(other, (float)Jaccard(mine, Of(other), shared[other]));
        Array.Clear(shared);
    }

    // Both sketches are complete up to the smaller of the last hashes of those that are full.
    private double Jaccard(ReadOnlySpan<ulong> a, ReadOnlySpan<ulong> b, int both)
    {
        ulong known = Math.Min(Known(a), Known(b));
        return (double)both / (UpTo(a, known) + UpTo(b, known) - both);
    }

    private ulong Known(ReadOnlySpan<ulong> sketch) => sketch.Length < state.Firings ? ulong.MaxValue : sketch[^1];

    private static int UpTo(ReadOnlySpan<ulong> sketch, ulong known)
    {
        if (known >= sketch[^1]) return sketch.Length;
        int at = sketch.BinarySearch(known);
        return at >= 0 ? at + 1 : ~at;
    }

    private Span<ulong> Of(int latent) => new(state.Sketch + (long)latent * state.Firings, state.SketchCount[latent]);
}

/// <summary>The largest values met so far, in their place, largest first; of equal ones those that came first.</summary>
internal readonly unsafe struct RankedList(Ranked* places, int count)
{
    /// <summary>Adds one.</summary>
    public void Add(int id, float value)
    {
        if (count == 0 || places[count - 1].Id >= 0 && places[count - 1].Value >= value) return;
        int rank = count - 1;
        for (; rank > 0 && (places[rank - 1].Id < 0 || places[rank - 1].Value < value); rank--) places[rank] = places[rank - 1];
        places[rank] = new Ranked { Id = id, Value = value };
    }
}
