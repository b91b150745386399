using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// A transcoder (Dunefsky et al. 2024): it reads one hook point and writes another, as a rule an MLP's input and its output:
/// <c>f = ReLU(x W_enc + b_enc)</c>, <c>yHat = f W_dec + b_dec</c>, with a skip connection (Paulo et al. 2025) plus <c>x W_skip</c>.
/// </summary>
public sealed class Transcoder : ISparseAutoencoder
{
    /// <summary>Copies its tensors into a new transcoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_out]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_out]</c>.</param>
    /// <param name="wSkip"><c>[d_model, d_out]</c>; null: no skip connection.</param>
    /// <param name="k">Latents kept per token, 1 to d_sae; null: all that are above zero.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together, or k is out of range.</exception>
    public Transcoder(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, Tensor? wSkip = null, int? k = null)
    {
        (DModel, DSae) = SaeLayer.Widths(wEnc);
        DOut = bDec.dim() == 1 ? checked((int)bDec.shape[0]) : throw new ArgumentException("b_dec must have one axis, [d_out].", nameof(bDec));
        if (k is < 1 || k > DSae) throw new ArgumentException($"k is {k}; allowed: 1 to d_sae = {DSae}, or none.", nameof(k));
        (WEnc, WDec) = (SaeLayer.Own("W_enc [d_model, d_sae]", wEnc, DModel, DSae), SaeLayer.Own("W_dec [d_sae, d_out]", wDec, DSae, DOut));
        (BEnc, BDec) = (SaeLayer.Own("b_enc [d_sae]", bEnc, DSae), SaeLayer.Own("b_dec [d_out]", bDec, DOut));
        WSkip = wSkip is null ? null : SaeLayer.Own("W_skip [d_model, d_out]", wSkip, DModel, DOut);
        K = k;
    }

    /// <inheritdoc/>
    public string Architecture => WSkip is null ? "transcoder" : "skip_transcoder";

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <inheritdoc/>
    public int DOut { get; }

    /// <summary>Encoder weights, <c>[d_model, d_sae]</c>.</summary>
    public Tensor WEnc { get; }

    /// <inheritdoc/>
    public Tensor WDec { get; }

    /// <summary>Encoder bias, <c>[d_sae]</c>.</summary>
    public Tensor BEnc { get; }

    /// <summary>Decoder bias, <c>[d_out]</c>.</summary>
    public Tensor BDec { get; }

    /// <summary>The linear part from input to output, <c>[d_model, d_out]</c>; null without one.</summary>
    public Tensor? WSkip { get; }

    /// <summary>Latents kept per token; null: all that are above zero.</summary>
    public int? K { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Weights
    {
        get
        {
            var weights = new Dictionary<string, Tensor> { ["W_enc"] = WEnc, ["W_dec"] = WDec, ["b_enc"] = BEnc, ["b_dec"] = BDec };
            if (WSkip is not null) weights.Add("W_skip", WSkip);
            return weights;
        }
    }

    /// <inheritdoc/>
    public Tensor PreActivations(Tensor x) => SaeLayer.Encode(x, null, WEnc, BEnc);

    /// <inheritdoc/>
    public Tensor Activate(Tensor preActivations) => K is { } k ? SaeLayer.TopK(preActivations, k) : preActivations.relu();

    /// <inheritdoc/>
    public Tensor Encode(Tensor x)
    {
        using var h = PreActivations(x);
        return Activate(h);
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor f) => SaeLayer.Decode(f, WDec, BDec);

    /// <inheritdoc/>
    public Tensor Reconstruct(Tensor x)
    {
        using var scope = NewDisposeScope();
        var y = Decode(Encode(x));
        return (WSkip is null ? y : y + x.matmul(WSkip)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var weight in Weights.Values) weight.Dispose();
    }
}
