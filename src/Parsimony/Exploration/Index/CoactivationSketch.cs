namespace Parsimony.Exploration.Index;

/// <summary>
/// On which tokens a latent fires: all of them, or those with the smallest hashes. The hash is the token's alone, so what two latents keep of one text can be compared: up to the smaller of their
/// largest hashes both are complete, and the tokens below it are an even sample (bottom-k sketches, Cohen and Kaplan 2007).
/// </summary>
internal static unsafe class CoactivationSketch
{
    /// <summary>A token on which a latent fires.</summary>
    /// <param name="state">Where sketches are.</param>
    /// <param name="latent">The latent.</param>
    /// <param name="tokenHash">Of seed and token.</param>
    /// <param name="token">Place in the whole text.</param>
    public static void Add(IndexState state, int latent, ulong tokenHash, uint token)
    {
        ulong entry = tokenHash & 0xFFFFFFFF_00000000 | token;
        ulong* heap = state.Sketch + (long)latent * state.Firings;
        int count = state.SketchCount[latent];
        if (count < state.Firings)
        {
            heap[count] = entry;
            state.SketchCount[latent] = ++count;
            if (count == state.Firings)
                for (int i = count / 2 - 1; i >= 0; i--) Sink(heap, count, i);
        }
        else if (entry < heap[0])
        {
            heap[0] = entry;
            Sink(heap, count, 0);
        }
    }

    // The largest of a full sketch stands first.
    private static void Sink(ulong* heap, int count, int i)
    {
        ulong entry = heap[i];
        for (int child; (child = 2 * i + 1) < count; i = child)
        {
            if (child + 1 < count && heap[child + 1] > heap[child]) child++;
            if (heap[child] <= entry) break;
            heap[i] = heap[child];
        }
        heap[i] = entry;
    }
}
