using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Exploration.Index;

/// <summary>The latents whose decoder rows point the same way, over the whole SAE.</summary>
internal static unsafe class DecoderNeighbours
{
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
        var directions = DecoderCosines.Directions(sae);
        DecoderCosines.Each(directions, directions, first, end, (from, cosines) =>
        {
            var (values, latents) = cosines.topk(count, -1, largest: true, sorted: true);
            float[] value = values.cpu().contiguous().data<float>().ToArray();
            long[] latent = latents.cpu().contiguous().data<long>().ToArray();
            for (int i = 0; i < value.Length; i++)
                state.Similar[(from + i / count) * state.Neighbours + i % count] = new Ranked { Id = (int)latent[i], Value = value[i] };
        });
    }
}
