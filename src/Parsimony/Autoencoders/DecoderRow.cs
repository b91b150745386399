using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>The constraint on the decoder: each row of <c>W_dec</c> is a direction of unit norm.</summary>
public static class DecoderRow
{
    private static readonly long[] ModelAxis = [1];

    /// <summary>Divides each row by its L2 norm, in place. No epsilon: a row of zeros is a fault and becomes NaN.</summary>
    /// <param name="wDec"><c>[d_sae, d_model]</c>; changed.</param>
    /// <returns><paramref name="wDec"/> itself.</returns>
    public static Tensor Renormalise(Tensor wDec)
    {
        using var norm = Norms(wDec);
        return wDec.div_(norm);
    }

    /// <summary>Takes out of each row's gradient the part along the row, in place: g -= (g·n) n, with n = row / |row|.
    /// What remains turns the direction without trying to change its length (Bricken et al. 2023, "Towards Monosemanticity").</summary>
    /// <param name="gradient"><c>[d_sae, d_model]</c>; changed.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>; rows of any length but zero.</param>
    public static void ProjectOut(Tensor gradient, Tensor wDec)
    {
        using var scope = NewDisposeScope();
        var norm = Norms(wDec);
        var along = (gradient * wDec).sum(ModelAxis, keepdim: true).div_(norm).div_(norm); // (g·row) / |row|^2, [d_sae, 1]
        gradient.addcmul_(along, wDec, -1);
    }

    /// <summary>The length of each row, <c>[d_sae, 1]</c>.</summary>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    public static Tensor Norms(Tensor wDec) => linalg.vector_norm(wDec, dims: ModelAxis, keepdim: true);
}
