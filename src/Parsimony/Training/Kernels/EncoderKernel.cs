using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>
/// The encoder's product with what follows it: blocks of latents times panels of tokens in registers of 6 latents by two vectors of tokens, and, while a block's
/// pre-activations are still in cache, the entries written out. The dense matrix is never stored.
/// </summary>
/// <remarks>The latents' rows are read where they lie (6 broadcasts from 6 rows), not packed: a row is contiguous already, and a block of it stays in the second-level cache.</remarks>
internal sealed unsafe class EncoderKernel<V> : IEncoderProduct
    where V : struct, ILanes<V>
{
    private const int Rows = 6;          // latents in registers: 12 accumulators hide the latency of two multiply-adds a cycle
    private const int BlockLatents = 96; // their pre-activations of a batch of 1024: 393 kB
    private const int Depth = 256;       // of d_model at a time: a panel of it stays in the first-level cache

    private readonly ThreadTeam team;
    private readonly TokenTiles tiles;
    private readonly ActiveEntries active;
    private readonly LatentRows rows;
    private readonly NativeArray<float>[] preActivations; // of a block, by worker, [panel][6 latents][row][panel tokens]
    private readonly NativeArray<uint>[] masks;           // of a block, by worker, [latent][panel]

    public EncoderKernel(ThreadTeam team, TokenTiles tiles, ActiveEntries active, LatentRows rows)
    {
        (this.team, this.tiles, this.active, this.rows) = (team, tiles, active, rows);
        preActivations = [.. Enumerable.Range(0, team.Size).Select(_ => new NativeArray<float>((long)BlockLatents * tiles.Panels * tiles.PanelTokens))];
        masks = [.. Enumerable.Range(0, team.Size).Select(_ => new NativeArray<uint>((long)BlockLatents * tiles.Panels))];
    }

    /// <summary>Tokens of a panel.</summary>
    public static int PanelTokens => 2 * V.Count;

    /// <inheritdoc/>
    public void FindActive(Tensor x, int first, int end, EntryBounds bounds) =>
        team.Run((end - first + BlockLatents - 1) / BlockLatents, (worker, block) => Encode(worker, first + block * BlockLatents, end, bounds));

    private void Encode(int worker, int first, int end, EntryBounds bounds)
    {
        int latents = Math.Min(BlockLatents, end - first), groups = (latents + Rows - 1) / Rows;
        float* wEnc = rows.WEnc.P;
        float* pre = preActivations[worker].Pointer;
        uint* mask = masks[worker].Pointer;
        int tile = Rows * tiles.PanelTokens;
        for (int k = 0; k < tiles.DModel; k += Depth)
        {
            int depth = Math.Min(Depth, tiles.DModel - k), share = depth * tiles.PanelTokens / groups;
            for (int panel = 0; panel < tiles.Panels; panel++)
            {
                float* tokens = tiles.Panel(panel) + (long)k * tiles.PanelTokens, next = tiles.Panel((panel + 1) % tiles.Panels) + (long)k * tiles.PanelTokens;
                float* to = pre + (long)panel * groups * tile;
                for (int group = 0; group < groups; group++, to += tile)
                {
                    Prefetch.ToSecondLevel(next + group * share, share);
                    Multiply(depth, wEnc + (long)(first + group * Rows) * tiles.DModel + k, tiles.DModel, Math.Min(Rows, latents - group * Rows), tokens, to, k > 0);
                }
                if (k + depth == tiles.DModel)
                    ActiveWriter<V>.Compare(pre + (long)panel * groups * tile, tiles.PanelTokens, bounds.Shift + first, bounds.Floors + panel * tiles.PanelTokens,
                        latents, tiles.Batch - panel * tiles.PanelTokens, mask + panel, tiles.Panels);
            }
        }
        for (int latent = 0; latent < latents; latent++)
            ActiveWriter<V>.Write(active, first + latent, mask + latent * tiles.Panels, tiles.Panels, pre + latent * tiles.PanelTokens, groups * tile,
                bounds.Bias[first + latent]);
    }

    public void Dispose()
    {
        foreach (var scratch in preActivations) scratch.Dispose();
        foreach (var scratch in masks) scratch.Dispose();
    }

    // c[row][token] (+)= sum over k of w[row][k] x[k][token]. Rows past the last repeat it; nobody reads what they give.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(int depth, float* w, nint stride, int rows, float* x, float* c, bool add)
    {
        int n = V.Count;
        float* w0 = w, w1 = w + (rows > 1 ? stride : 0), w2 = w + (rows > 2 ? 2 * stride : 0), w3 = w + (rows > 3 ? 3 * stride : 0),
            w4 = w + (rows > 4 ? 4 * stride : 0), w5 = w + (rows > 5 ? 5 * stride : 0);
        V c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        if (add)
        {
            (c00, c01, c10, c11) = (V.Load(c), V.Load(c + n), V.Load(c + 2 * n), V.Load(c + 3 * n));
            (c20, c21, c30, c31) = (V.Load(c + 4 * n), V.Load(c + 5 * n), V.Load(c + 6 * n), V.Load(c + 7 * n));
            (c40, c41, c50, c51) = (V.Load(c + 8 * n), V.Load(c + 9 * n), V.Load(c + 10 * n), V.Load(c + 11 * n));
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = V.Zero;
        }
        for (nint k = 0; k < depth; k++, x += 2 * n)
        {
            V x0 = V.Load(x), x1 = V.Load(x + n);
            var weight = V.Broadcast(w0[k]);
            (c00, c01) = (V.MultiplyAdd(weight, x0, c00), V.MultiplyAdd(weight, x1, c01));
            weight = V.Broadcast(w1[k]);
            (c10, c11) = (V.MultiplyAdd(weight, x0, c10), V.MultiplyAdd(weight, x1, c11));
            weight = V.Broadcast(w2[k]);
            (c20, c21) = (V.MultiplyAdd(weight, x0, c20), V.MultiplyAdd(weight, x1, c21));
            weight = V.Broadcast(w3[k]);
            (c30, c31) = (V.MultiplyAdd(weight, x0, c30), V.MultiplyAdd(weight, x1, c31));
            weight = V.Broadcast(w4[k]);
            (c40, c41) = (V.MultiplyAdd(weight, x0, c40), V.MultiplyAdd(weight, x1, c41));
            weight = V.Broadcast(w5[k]);
            (c50, c51) = (V.MultiplyAdd(weight, x0, c50), V.MultiplyAdd(weight, x1, c51));
        }
        c00.Store(c);
        c01.Store(c + n);
        c10.Store(c + 2 * n);
        c11.Store(c + 3 * n);
        c20.Store(c + 4 * n);
        c21.Store(c + 5 * n);
        c30.Store(c + 6 * n);
        c31.Store(c + 7 * n);
        c40.Store(c + 8 * n);
        c41.Store(c + 9 * n);
        c50.Store(c + 10 * n);
        c51.Store(c + 11 * n);
    }
}
