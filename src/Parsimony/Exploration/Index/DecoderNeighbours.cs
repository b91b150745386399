using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Index;

/// <summary>The latents whose decoder rows point the same way, over the whole SAE: products of blocks of rows with all rows, of which the largest cosines are kept.</summary>
internal static unsafe class DecoderNeighbours
{
    private const long BlockCosines = 1 << 24;

    /// <summary>Latents done at a time.</summary>
    public static int BlockOf(int dSae) => (int)Math.Clamp(BlockCosines / dSae, 1, 1024);

    /// <summary>Finds the neighbours of some latents.</summary>
    /// <param name="state">Where they go.</param>
    /// <param name="sae">The SAE.</param>
    /// <param name="first">The first.</param>
    /// <param name="end">Behind the last.</param>
    public static void Find(IndexState state, ISparseAutoencoder sae, int first, int end)
    {
        int count = Math.Min(state.Neighbours, state.Latents - 1);
        if (count == 0) return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var length = DecoderRow.Norms(sae.WDec).clamp_min(1e-30);                       // [d_sae, 1]; a row of zeros is like none
        var rows = sae.WDec.narrow(0, first, end - first) / length.narrow(0, first, end - first);
        var cosines = rows.matmul(sae.WDec.t()).div_(length.t());                       // [block, d_sae]
        cosines.diagonal(first).fill_(float.NegativeInfinity);                          // not of itself
        var (values, latents) = cosines.topk(count, -1, largest: true, sorted: true);
        float[] value = values.cpu().contiguous().data<float>().ToArray();
        long[] latent = latents.cpu().contiguous().data<long>().ToArray();
        for (int row = 0; row < end - first; row++)
            for (int i = 0; i < count; i++)
                state.Similar[(long)(first + row) * state.Neighbours + i] = new Ranked { Id = (int)latent[row * count + i], Value = value[row * count + i] };
    }
}
