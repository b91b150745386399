using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Autoencoders;

/// <summary>Cosines between decoder rows, a block of rows at a time: of all at once there are d_sae² of them.</summary>
internal static class DecoderCosines
{
    private const long AtATime = 1 << 24; // cosines, 64 MiB

    /// <summary>The decoder's rows at unit length, <c>[d_sae, d_out]</c>, float32; a row of zeros stays one, and has cosine 0 with all.</summary>
    public static Tensor Directions(ISparseAutoencoder sae) => normalize(sae.WDec.to(ScalarType.Float32), dim: 1, eps: 1e-30);

    /// <summary>Rows of a block.</summary>
    /// <param name="others">How many rows each is compared with.</param>
    public static int Rows(long others) => (int)Math.Clamp(AtATime / others, 1, 1024);

    /// <summary>Goes through blocks of rows.</summary>
    /// <param name="rows">Directions, <c>[n, d_out]</c>.</param>
    /// <param name="others">Directions of the same space, <c>[m, d_out]</c>; where they are the same tensor, a row's cosine with itself is minus infinity.</param>
    /// <param name="first">The first row.</param>
    /// <param name="end">Behind the last.</param>
    /// <param name="block">Told a block's first row and its cosines, <c>[block, m]</c>, in a scope of their own.</param>
    /// <param name="upper">Whether each block is compared only with the others from its own first row on, <c>[block, m - first]</c>: of the same rows the rest is its mirror image.</param>
    /// <param name="cancellation">Stops between two blocks.</param>
    public static void Each(Tensor rows, Tensor others, long first, long end, Action<long, Tensor> block, bool upper = false, CancellationToken cancellation = default)
    {
        int count = Rows(others.size(0));
        for (long from = first; from < end; from += count)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var these = upper ? others.narrow(0, from, others.size(0) - from) : others;
            var cosines = rows.narrow(0, from, Math.Min(count, end - from)).mm(these.t());
            if (ReferenceEquals(rows, others)) cosines.diagonal(upper ? 0 : from).fill_(double.NegativeInfinity);
            block(from, cosines);
        }
    }
}
