using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// Gated (Rajamanoharan et al. 2024): with <c>u = (x - b_dec) W_enc</c>, a latent is on where <c>u + b_gate &gt; 0</c> and then has the
/// magnitude <c>ReLU(exp(r_mag) u + b_mag)</c>.
/// </summary>
/// <remarks>The same function as a JumpReLU on the magnitude: <c>u + b_gate &gt; 0</c> holds where the magnitude's pre-activation exceeds
/// <c>b_mag - exp(r_mag) b_gate</c>. In that form (<see cref="PreActivations"/>, <see cref="Activate"/>) it takes dials; the two differ only where rounding decides.</remarks>
public sealed class GatedSae : ISparseAutoencoder
{
    /// <summary>Copies six tensors into a new autoencoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bGate"><c>[d_sae]</c>.</param>
    /// <param name="bMag"><c>[d_sae]</c>.</param>
    /// <param name="rMag">Logarithm of the magnitude's scale, <c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together.</exception>
    public GatedSae(Tensor wEnc, Tensor wDec, Tensor bGate, Tensor bMag, Tensor rMag, Tensor bDec, bool applyBDecToInput = true)
    {
        (DModel, DSae) = SaeLayer.Widths(wEnc);
        (WEnc, WDec) = (SaeLayer.Own("W_enc [d_model, d_sae]", wEnc, DModel, DSae), SaeLayer.Own("W_dec [d_sae, d_model]", wDec, DSae, DModel));
        (BGate, BMag) = (SaeLayer.Own("b_gate [d_sae]", bGate, DSae), SaeLayer.Own("b_mag [d_sae]", bMag, DSae));
        (RMag, BDec) = (SaeLayer.Own("r_mag [d_sae]", rMag, DSae), SaeLayer.Own("b_dec [d_model]", bDec, DModel));
        ApplyBDecToInput = applyBDecToInput;
    }

    /// <inheritdoc/>
    public string Architecture => "gated";

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

    /// <summary>Bias of the gate, <c>[d_sae]</c>.</summary>
    public Tensor BGate { get; }

    /// <summary>Bias of the magnitude, <c>[d_sae]</c>.</summary>
    public Tensor BMag { get; }

    /// <summary>Logarithm of the magnitude's scale, <c>[d_sae]</c>.</summary>
    public Tensor RMag { get; }

    /// <summary>Decoder bias, <c>[d_model]</c>.</summary>
    public Tensor BDec { get; }

    /// <summary>Whether the encoder takes b_dec off its input.</summary>
    public bool ApplyBDecToInput { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Weights => new Dictionary<string, Tensor>
    {
        ["W_enc"] = WEnc,
        ["W_dec"] = WDec,
        ["b_gate"] = BGate,
        ["b_mag"] = BMag,
        ["r_mag"] = RMag,
        ["b_dec"] = BDec,
    };

    /// <summary>The magnitude before its ReLU, <c>exp(r_mag) u + b_mag</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_sae]</c>.</returns>
    public Tensor PreActivations(Tensor x)
    {
        using var scope = NewDisposeScope();
        return Magnitude(Gate(x)).MoveToOuterDisposeScope();
    }

    /// <summary>The ReLU of the magnitude where it exceeds <c>b_mag - exp(r_mag) b_gate</c>, which says that the gate is open.</summary>
    /// <param name="preActivations"><c>[..., d_sae]</c>.</param>
    /// <returns><c>[..., d_sae]</c>.</returns>
    public Tensor Activate(Tensor preActivations)
    {
        using var scope = NewDisposeScope();
        return SaeLayer.AboveThreshold(preActivations, BMag - RMag.exp() * BGate).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Encode(Tensor x)
    {
        using var scope = NewDisposeScope();
        var gate = Gate(x);
        return (Magnitude(gate).relu() * (gate > 0)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor f) => SaeLayer.Decode(f, WDec, BDec);

    /// <inheritdoc/>
    public Tensor Reconstruct(Tensor x)
    {
        using var f = Encode(x);
        return Decode(f);
    }

    // u + b_gate
    private Tensor Gate(Tensor x) => SaeLayer.Encode(x, ApplyBDecToInput ? BDec : null, WEnc, BGate);

    private Tensor Magnitude(Tensor gate) => (gate - BGate) * RMag.exp() + BMag;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var weight in Weights.Values) weight.Dispose();
    }
}
