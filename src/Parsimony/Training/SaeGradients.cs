using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// The formulas that every hand-derived step is made of. With B tokens and R = xHat - target, the squared error <c>mean over tokens of |R|²</c> has the
/// gradient 2R/B at the reconstruction; from there: W_dec gets <c>fᵀ dR</c>, f gets <c>dR W_decᵀ</c>, and what of that passes the activation function, dh,
/// gives W_enc <c>xᵀ dh</c>.
/// </summary>
internal static class SaeGradients
{
    private static readonly long[] TokenAxis = [0];

    /// <summary>The pre-activations <c>x W_enc + b_enc</c>.</summary>
    /// <param name="x"><c>[batch, d_model]</c>, b_dec already taken off where the SAE does so.</param>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    public static Tensor Encode(Tensor x, Tensor wEnc, Tensor bEnc) => bEnc.addmm(x, wEnc);

    /// <summary><c>f W_dec + b_dec - target</c>.</summary>
    public static Tensor Residual(Tensor f, Tensor wDec, Tensor bDec, Tensor target) => bDec.addmm(f, wDec).sub_(target);

    /// <summary>Mean over tokens of |residual|².</summary>
    public static Tensor Mse(Tensor residual) => residual.norm().pow_(2).div_(residual.shape[0]);

    /// <summary>The gradient of <see cref="Mse"/> at the reconstruction, times a weight.</summary>
    public static Tensor OfMse(Tensor residual, double weight = 1) => residual * (2 * weight / residual.shape[0]);

    /// <summary>Sum over tokens, <c>[batch, n]</c> to <c>[n]</c>.</summary>
    public static Tensor OverTokens(Tensor t) => t.sum(TokenAxis);

    /// <summary>1 where a latent is above zero, <c>[batch, d_sae]</c> float32.</summary>
    public static Tensor Active(Tensor f) => (f > 0).to(ScalarType.Float32);

    /// <summary>The gradients of the two affine maps.</summary>
    /// <param name="x">What the encoder multiplied, <c>[batch, d_model]</c>.</param>
    /// <param name="f">Latents, <c>[batch, d_sae]</c>.</param>
    /// <param name="dReconstruction">Gradient at the reconstruction, <c>[batch, d_out]</c>.</param>
    /// <param name="dh">Gradient at the pre-activations, <c>[batch, d_sae]</c>.</param>
    /// <param name="wEncIfCentred">W_enc where b_dec is taken off the encoder's input, and so learns from there too; else null.</param>
    /// <returns>W_enc, W_dec, b_enc, b_dec.</returns>
    public static Dictionary<string, Tensor> OfAffineMaps(Tensor x, Tensor f, Tensor dReconstruction, Tensor dh, Tensor? wEncIfCentred)
    {
        var bEnc = OverTokens(dh);
        var bDec = OverTokens(dReconstruction);
        if (wEncIfCentred is not null) bDec.sub_(wEncIfCentred.mv(bEnc));
        return new() { ["W_enc"] = x.t().mm(dh), ["W_dec"] = f.t().mm(dReconstruction), ["b_enc"] = bEnc, ["b_dec"] = bDec };
    }
}
