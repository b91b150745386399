using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// The article's sparse autoencoder: <c>f = ReLU((x - b_dec) W_enc + b_enc)</c>, <c>xHat = f W_dec + b_dec</c>.
/// Row i of <c>W_dec</c> is the direction of latent i.
/// </summary>
/// <remarks>float32. Owns its four tensors. Autograd flows through the methods to <c>x</c> unless the caller is under no_grad.</remarks>
public sealed class SparseAutoencoder : IDisposable
{
    /// <summary>Copies four tensors into a new autoencoder; the arguments stay the caller's.</summary>
    /// <param name="wEnc"><c>[d_model, d_sae]</c>.</param>
    /// <param name="wDec"><c>[d_sae, d_model]</c>.</param>
    /// <param name="bEnc"><c>[d_sae]</c>.</param>
    /// <param name="bDec"><c>[d_model]</c>.</param>
    /// <exception cref="ArgumentException">The shapes do not belong together.</exception>
    public SparseAutoencoder(Tensor wEnc, Tensor wDec, Tensor bEnc, Tensor bDec)
    {
        if (wEnc.dim() != 2)
            throw new ArgumentException($"W_enc has shape {Text(wEnc.shape)}; expected [d_model, d_sae].", nameof(wEnc));
        DModel = checked((int)wEnc.shape[0]);
        DSae = checked((int)wEnc.shape[1]);
        Expect("W_dec [d_sae, d_model]", wDec, DSae, DModel);
        Expect("b_enc [d_sae]", bEnc, DSae);
        Expect("b_dec [d_model]", bDec, DModel);
        (WEnc, WDec, BEnc, BDec) = (Own(wEnc), Own(wDec), Own(bEnc), Own(bDec));
    }

    /// <summary>Width of the activations.</summary>
    public int DModel { get; }

    /// <summary>Number of latents.</summary>
    public int DSae { get; }

    /// <summary>Encoder weights, <c>[d_model, d_sae]</c>.</summary>
    public Tensor WEnc { get; }

    /// <summary>Decoder weights, <c>[d_sae, d_model]</c>.</summary>
    public Tensor WDec { get; }

    /// <summary>Encoder bias, <c>[d_sae]</c>.</summary>
    public Tensor BEnc { get; }

    /// <summary>Decoder bias, taken off the input and added to the output, <c>[d_model]</c>.</summary>
    public Tensor BDec { get; }

    /// <summary>A newborn autoencoder: Kaiming uniform weights (<see cref="KaimingUniform"/>), decoder rows of unit norm, biases zero.</summary>
    /// <param name="dModel">Width of the activations, 1 or more.</param>
    /// <param name="dSae">Number of latents, 1 or more.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static SparseAutoencoder Create(int dModel, int dSae, long seed)
    {
        using var generator = new Generator(unchecked((ulong)seed), CPU);
        return Create(dModel, dSae, generator);
    }

    /// <summary>As <see cref="Create(int, int, long)"/>, drawn from a generator whose state advances.</summary>
    public static SparseAutoencoder Create(int dModel, int dSae, Generator generator)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dModel, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        using var scope = NewDisposeScope();
        var wEnc = KaimingUniform.EncoderColumns(dModel, dSae, dSae, generator);
        var wDec = KaimingUniform.DecoderRows(dSae, dModel, generator);
        return new SparseAutoencoder(wEnc, wDec, zeros(dSae), zeros(dModel));
    }

    /// <summary><c>(x - b_dec) W_enc + b_enc</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_sae]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    public Tensor PreActivations(Tensor x)
    {
        ExpectLast("x", x, "d_model", DModel);
        using var scope = NewDisposeScope();
        return BEnc.addmm((x - BDec).reshape(-1, DModel), WEnc).reshape([.. x.shape[..^1], DSae]).MoveToOuterDisposeScope();
    }

    /// <summary>The latents, <c>f = ReLU(PreActivations(x))</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_sae]</c>, nowhere negative.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    public Tensor Encode(Tensor x) => PreActivations(x).relu_();

    /// <summary><c>f W_dec + b_dec</c>.</summary>
    /// <param name="f"><c>[..., d_sae]</c>.</param>
    /// <returns><c>[..., d_model]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_sae.</exception>
    public Tensor Decode(Tensor f)
    {
        ExpectLast("f", f, "d_sae", DSae);
        using var scope = NewDisposeScope();
        return BDec.addmm(f.reshape(-1, DSae), WDec).reshape([.. f.shape[..^1], DModel]).MoveToOuterDisposeScope();
    }

    /// <summary><c>xHat = Decode(Encode(x))</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <returns><c>[..., d_model]</c>.</returns>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    public Tensor Reconstruct(Tensor x)
    {
        using var f = Encode(x);
        return Decode(f);
    }

    /// <summary>Frees the four tensors.</summary>
    public void Dispose()
    {
        WEnc.Dispose();
        WDec.Dispose();
        BEnc.Dispose();
        BDec.Dispose();
    }

    private static Tensor Own(Tensor t)
    {
        using var scope = NewDisposeScope();
        return t.detach().to(ScalarType.Float32).contiguous().clone().DetachFromDisposeScope();
    }

    private static void Expect(string name, Tensor t, params long[] shape)
    {
        if (!t.shape.SequenceEqual(shape))
            throw new ArgumentException($"{name} has shape {Text(t.shape)}; expected {Text(shape)} to go with W_enc.");
    }

    private static void ExpectLast(string name, Tensor t, string axis, int width)
    {
        if (t.dim() == 0 || t.shape[^1] != width)
            throw new ArgumentException($"{name} has shape {Text(t.shape)}; expected [..., {axis}] = [..., {width}].");
    }

    private static string Text(long[] shape) => $"[{string.Join(", ", shape)}]";
}
