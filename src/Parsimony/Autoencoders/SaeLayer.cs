using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>What the architectures share: the two affine maps, and the checks at their doors.</summary>
internal static class SaeLayer
{
    /// <summary><c>(x - centre) w + b</c>.</summary>
    /// <param name="x"><c>[..., d_model]</c>.</param>
    /// <param name="centre"><c>[d_model]</c>; null: not taken off.</param>
    /// <param name="w"><c>[d_model, d_sae]</c>.</param>
    /// <param name="b"><c>[d_sae]</c>.</param>
    /// <exception cref="ArgumentException">The last axis is not d_model.</exception>
    public static Tensor Encode(Tensor x, Tensor? centre, Tensor w, Tensor b)
    {
        ExpectLast("x", x, "d_model", w.shape[0]);
        using var scope = NewDisposeScope();
        var rows = (centre is null ? x : x - centre).reshape(-1, w.shape[0]);
        return b.addmm(rows, w).reshape([.. x.shape[..^1], w.shape[1]]).MoveToOuterDisposeScope();
    }

    /// <summary><c>f w + b</c>.</summary>
    /// <param name="f"><c>[..., d_sae]</c>.</param>
    /// <param name="w"><c>[d_sae, d_out]</c>.</param>
    /// <param name="b"><c>[d_out]</c>.</param>
    /// <exception cref="ArgumentException">The last axis is not d_sae.</exception>
    public static Tensor Decode(Tensor f, Tensor w, Tensor b)
    {
        ExpectLast("f", f, "d_sae", w.shape[0]);
        using var scope = NewDisposeScope();
        return b.addmm(f.reshape(-1, w.shape[0]), w).reshape([.. f.shape[..^1], w.shape[1]]).MoveToOuterDisposeScope();
    }

    /// <summary><c>h</c> where it is above zero and above its latent's threshold, else 0.</summary>
    /// <param name="h"><c>[..., d_sae]</c>.</param>
    /// <param name="threshold"><c>[d_sae]</c>.</param>
    public static Tensor AboveThreshold(Tensor h, Tensor threshold)
    {
        using var scope = NewDisposeScope();
        return (h.relu() * (h > threshold)).MoveToOuterDisposeScope();
    }

    /// <summary>The ReLU of <paramref name="h"/>, of which each token keeps the k largest; at equal values which one stays is libtorch's choice.</summary>
    /// <param name="h"><c>[..., d_sae]</c>.</param>
    /// <param name="k">1 to d_sae.</param>
    public static Tensor TopK(Tensor h, int k)
    {
        using var scope = NewDisposeScope();
        var positive = h.relu();
        var (values, latents) = positive.topk(k, -1, largest: true, sorted: false);
        return zeros_like(positive).scatter(-1, latents, values).MoveToOuterDisposeScope();
    }

    /// <summary>d_model and d_sae as an encoder's shape states them.</summary>
    /// <exception cref="ArgumentException">Not two axes.</exception>
    public static (int DModel, int DSae) Widths(Tensor wEnc) => wEnc.dim() == 2
        ? (checked((int)wEnc.shape[0]), checked((int)wEnc.shape[1]))
        : throw new ArgumentException($"W_enc has shape {Text(wEnc.shape)}; expected [d_model, d_sae].", nameof(wEnc));

    /// <summary>A float32 copy outside every dispose scope.</summary>
    /// <param name="name">Name and axes, for the message.</param>
    /// <param name="t">Stays the caller's.</param>
    /// <param name="shape">The shape it must have.</param>
    /// <exception cref="ArgumentException">Another shape.</exception>
    public static Tensor Own(string name, Tensor t, params long[] shape)
    {
        if (!t.shape.SequenceEqual(shape))
            throw new ArgumentException($"{name} has shape {Text(t.shape)}; expected {Text(shape)} to go with W_enc.");
        using var scope = NewDisposeScope();
        return t.detach().to(ScalarType.Float32).contiguous().clone().DetachFromDisposeScope();
    }

    private static void ExpectLast(string name, Tensor t, string axis, long width)
    {
        if (t.dim() == 0 || t.shape[^1] != width)
            throw new ArgumentException($"{name} has shape {Text(t.shape)}; expected [..., {axis}] = [..., {width}].");
    }

    private static string Text(long[] shape) => $"[{string.Join(", ", shape)}]";
}
