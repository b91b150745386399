using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// TopK (Gao et al. 2024): the ReLU of <c>h = (x - b_dec) W_enc + b_enc</c>, of which each token keeps the k largest. At equal values
/// which one stays is libtorch's choice.
/// </summary>
public sealed class TopKSae : ISparseAutoencoder
{
    /// <summary>Copies four tensors into a new autoencoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <param name="k">Latents kept per token, 1 to d_sae.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together, or k is out of range.</exception>
    public TopKSae(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, int k, bool applyBDecToInput = true)
    {
        (DModel, DSae) = SaeLayer.Widths(wEnc);
        if (k < 1 || k > DSae) throw new ArgumentException($"k is {k}; allowed: 1 to d_sae = {DSae}.", nameof(k));
        (WEnc, WDec) = (SaeLayer.Own("W_enc [d_model, d_sae]", wEnc, DModel, DSae), SaeLayer.Own("W_dec [d_sae, d_model]", wDec, DSae, DModel));
        (BEnc, BDec) = (SaeLayer.Own("b_enc [d_sae]", bEnc, DSae), SaeLayer.Own("b_dec [d_model]", bDec, DModel));
        (K, ApplyBDecToInput) = (k, applyBDecToInput);
    }

    /// <inheritdoc/>
    public string Architecture => "topk";

    /// <inheritdoc/>
    public int DModel { get; }

    /// <inheritdoc/>
    public int DSae { get; }

    /// <inheritdoc/>
    public int DOut => DModel;

    /// <summary>Encoder weights, <c>[d_model, d_sae]</c>.</summary>
    public Tensor WEnc { get; }

    /// <inheritdoc/>
    public Tensor WDec { get; }

    /// <summary>Encoder bias, <c>[d_sae]</c>.</summary>
    public Tensor BEnc { get; }

    /// <summary>Decoder bias, <c>[d_model]</c>.</summary>
    public Tensor BDec { get; }

    /// <summary>Whether the encoder takes b_dec off its input: <c>(x - b_dec) W_enc + b_enc</c>, else <c>x W_enc + b_enc</c>.</summary>
    public bool ApplyBDecToInput { get; }

    /// <summary>Latents kept per token.</summary>
    public int K { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Weights => new Dictionary<string, Tensor>
    {
        ["W_enc"] = WEnc,
        ["W_dec"] = WDec,
        ["b_enc"] = BEnc,
        ["b_dec"] = BDec,
    };

    /// <inheritdoc/>
    public Tensor PreActivations(Tensor x) => SaeLayer.Encode(x, ApplyBDecToInput ? BDec : null, WEnc, BEnc);

    /// <inheritdoc/>
    public Tensor Activate(Tensor preActivations) => SaeLayer.TopK(preActivations, K);

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
        using var f = Encode(x);
        return Decode(f);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var weight in Weights.Values) weight.Dispose();
    }
}
