using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// JumpReLU (Rajamanoharan et al. 2024): <c>f = h · 1[h &gt; threshold]</c> for <c>h &gt; 0</c>, with <c>h = (x - b_dec) W_enc + b_enc</c> and one threshold per latent.
/// Also what a trained BatchTopK or Matryoshka SAE is used as, with one threshold for all.
/// </summary>
public sealed class JumpReluSae : ISparseAutoencoder
{
    /// <summary>Copies five tensors into a new autoencoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <param name="threshold"><c>[d_sae]</c>; a negative one acts as 0.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together.</exception>
    public JumpReluSae(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, Tensor threshold, bool applyBDecToInput = true)
    {
        (DModel, DSae) = SaeLayer.Widths(wEnc);
        (WEnc, WDec) = (SaeLayer.Own("W_enc [d_model, d_sae]", wEnc, DModel, DSae), SaeLayer.Own("W_dec [d_sae, d_model]", wDec, DSae, DModel));
        (BEnc, BDec) = (SaeLayer.Own("b_enc [d_sae]", bEnc, DSae), SaeLayer.Own("b_dec [d_model]", bDec, DModel));
        Threshold = SaeLayer.Own("threshold [d_sae]", threshold, DSae);
        ApplyBDecToInput = applyBDecToInput;
    }

    /// <inheritdoc/>
    public string Architecture => "jumprelu";

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

    /// <summary>What a pre-activation must exceed, <c>[d_sae]</c>.</summary>
    public Tensor Threshold { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Weights => new Dictionary<string, Tensor>
    {
        ["W_enc"] = WEnc,
        ["W_dec"] = WDec,
        ["b_enc"] = BEnc,
        ["b_dec"] = BDec,
        ["threshold"] = Threshold,
    };

    /// <inheritdoc/>
    public Tensor PreActivations(Tensor x) => SaeLayer.Encode(x, ApplyBDecToInput ? BDec : null, WEnc, BEnc);

    /// <inheritdoc/>
    public Tensor Activate(Tensor preActivations) => SaeLayer.AboveThreshold(preActivations, Threshold);

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
