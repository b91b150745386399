using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The gradients of a step on slots.</summary>
/// <param name="WEnc"><c>[d_sae, d_model]</c>: W_enc is held as rows.</param>
/// <param name="WDec"><c>[d_sae, d_model]</c>.</param>
/// <param name="BEnc"><c>[d_sae]</c>.</param>
/// <param name="DReconstruction">At the reconstruction, summed over tokens, <c>[d_model]</c>.</param>
internal readonly record struct SlotGradients(Tensor WEnc, Tensor WDec, Tensor BEnc, Tensor DReconstruction);

/// <summary>The products of a step with only the entries in its slots: rows are gathered, scaled and added where they belong, a bounded number at a time.</summary>
internal static class SlotProducts
{
    private const long ElementsAtATime = 1 << 24; // 64 MiB of gathered rows

    /// <summary>xHat - x, which is <c>Σ f row - (x - b_dec)</c>, <c>[batch, d_model]</c>.</summary>
    /// <param name="entries">The latents.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="centred">x - b_dec, <c>[batch, d_model]</c>.</param>
    public static Tensor Residual(SlotEntries entries, Tensor wDec, Tensor centred)
    {
        var residual = centred.neg();
        foreach (var (start, count) in Parts(entries, wDec.shape[1]))
        {
            using var scope = NewDisposeScope();
            var rows = wDec.index_select(0, entries.Latents.narrow(0, start, count)).mul_(entries.Values.narrow(0, start, count).unsqueeze(1));
            residual.index_add_(0, entries.Tokens.narrow(0, start, count), rows, 1);
        }
        return residual;
    }

    /// <summary>The gradients of <c>mean over tokens of [ |residual|² + β Σ f ]</c>; zeros, whatever the rest holds, where nothing shall move.</summary>
    /// <param name="entries">The latents.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="residual">xHat - x, <c>[batch, d_model]</c>.</param>
    /// <param name="centred">What the encoder multiplied, <c>[batch, d_model]</c>.</param>
    /// <param name="l1Coefficient">β.</param>
    /// <param name="moves">A scalar, bool.</param>
    public static SlotGradients Gradients(SlotEntries entries, Tensor wDec, Tensor residual, Tensor centred, double l1Coefficient, Tensor moves)
    {
        using var scope = NewDisposeScope();
        long batch = residual.shape[0];
        var nothing = zeros_like(residual); // multiplied by a zero, what is not finite would not vanish
        var dReconstruction = where(moves, residual, nothing).mul_(2.0 / batch);
        var x = where(moves, centred, nothing);
        var gone = entries.Filled.logical_and(moves).logical_not_();
        var f = entries.Values.masked_fill(gone, 0);
        var (wEncRows, wDecRows, bEnc) = (zeros_like(wDec), zeros_like(wDec), zeros(wDec.shape[0], device: wDec.device));
        foreach (var (start, count) in Parts(entries, wDec.shape[1]))
        {
            using var part = NewDisposeScope();
            var (tokens, latents) = (entries.Tokens.narrow(0, start, count), entries.Latents.narrow(0, start, count));
            var d = dReconstruction.index_select(0, tokens);                       // [count, d_model]
            var dh = wDec.index_select(0, latents).mul_(d).sum(1).add_(l1Coefficient / batch).masked_fill_(gone.narrow(0, start, count), 0);
            wDecRows.index_add_(0, latents, d.mul_(f.narrow(0, start, count).unsqueeze(1)), 1);
            wEncRows.index_add_(0, latents, x.index_select(0, tokens).mul_(dh.unsqueeze(1)), 1);
            bEnc.index_add_(0, latents, dh, 1);
        }
        var gradients = new SlotGradients(wEncRows, wDecRows, bEnc, SaeGradients.OverTokens(dReconstruction));
        foreach (var t in (Tensor[])[gradients.WEnc, gradients.WDec, gradients.BEnc, gradients.DReconstruction]) t.MoveToOuterDisposeScope();
        return gradients;
    }

    private static IEnumerable<(long Start, long Count)> Parts(SlotEntries entries, long width)
    {
        long all = entries.Values.shape[0], most = Math.Max(1, ElementsAtATime / width);
        for (long start = 0; start < all; start += most) yield return (start, Math.Min(most, all - start));
    }
}
