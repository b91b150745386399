using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// The article's sparse autoencoder: <c>f = ReLU((x - b_dec) W_enc + b_enc)</c>, <c>xHat = f W_dec + b_dec</c>.
/// </summary>
public sealed class StandardSae : ISparseAutoencoder
{
    /// <summary>Copies four tensors into a new autoencoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <param name="applyBDecToInput">Whether the encoder takes b_dec off its input, as the article's does.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together.</exception>
    public StandardSae(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec, bool applyBDecToInput = true)
    {
        (DModel, DSae) = SaeLayer.Widths(wEnc);
        (WEnc, WDec) = (SaeLayer.Own("W_enc [d_model, d_sae]", wEnc, DModel, DSae), SaeLayer.Own("W_dec [d_sae, d_model]", wDec, DSae, DModel));
        (BEnc, BDec) = (SaeLayer.Own("b_enc [d_sae]", bEnc, DSae), SaeLayer.Own("b_dec [d_model]", bDec, DModel));
        ApplyBDecToInput = applyBDecToInput;
    }

    /// <inheritdoc/>
    public string Architecture => "standard";

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

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Weights => new Dictionary<string, Tensor>
    {
        ["W_enc"] = WEnc,
        ["W_dec"] = WDec,
        ["b_enc"] = BEnc,
        ["b_dec"] = BDec,
    };

    /// <summary>A newborn autoencoder: Kaiming uniform weights (<see cref="KaimingUniform"/>), decoder rows of unit norm, biases zero.</summary>
    /// <param name="dModel">Width of the activations, 1 or more.</param>
    /// <param name="dSae">Number of latents, 1 or more.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static StandardSae Create(int dModel, int dSae, long seed)
    {
        using var generator = new Generator(unchecked((ulong)seed), CPU);
        return Create(dModel, dSae, generator);
    }

    /// <summary>As <see cref="Create(int, int, long)"/>, drawn from a generator whose state advances.</summary>
    public static StandardSae Create(int dModel, int dSae, Generator generator)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dModel, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        using var scope = NewDisposeScope();
        var wEnc = KaimingUniform.EncoderColumns(dModel, dSae, dSae, generator);
        var wDec = KaimingUniform.DecoderRows(dSae, dModel, generator);
        return new StandardSae(wEnc, wDec, zeros(dSae), zeros(dModel));
    }

    /// <inheritdoc/>
    public Tensor PreActivations(Tensor x) => SaeLayer.Encode(x, ApplyBDecToInput ? BDec : null, WEnc, BEnc);

    /// <inheritdoc/>
    public Tensor Activate(Tensor preActivations) => preActivations.relu();

    /// <inheritdoc/>
    public Tensor Encode(Tensor x) => PreActivations(x).relu_(); // in place: the pre-activations are nobody else's

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
