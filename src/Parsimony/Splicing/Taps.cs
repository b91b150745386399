using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Splicing;

/// <summary>What may be put into the model's one seam: read, ablate, or splice in an SAE with or without its dials.</summary>
public static class Taps
{
    /// <summary>Zeros in place of the activation: what the model is without this part.</summary>
    public static Tap ZeroAblate(HookPoint at) => Only(at, x => zeros_like(x));

    /// <summary>The same vector in place of every token's activation.</summary>
    /// <param name="at">Where.</param>
    /// <param name="mean"><c>[width]</c>, usually the mean activation over a text; not owned.</param>
    /// <exception cref="ArgumentException">The vector is not one axis; later, in the tap: it is not as wide as the activation.</exception>
    public static Tap MeanAblate(HookPoint at, Tensor mean)
    {
        if (mean.dim() != 1) throw new ArgumentException($"mean has shape {Axes(mean)}; expected [width].", nameof(mean));
        return Only(at, x =>
        {
            EnsureWidth(at, x, mean.size(0), "the mean vector");
            using var scope = NewDisposeScope();
            return mean.to(x.dtype).to(x.device).expand_as(x).clone().MoveToOuterDisposeScope();
        });
    }

    /// <summary>
    /// The SAE, spliced in. Its latents are <c>f = relu(c * z + d)</c> with <c>z = (x - b_dec) W_enc + b_enc</c>: scale and shift
    /// act on the pre-activation, encoder bias included, before the ReLU (the article, "Fine-tuning").
    /// </summary>
    /// <param name="at">Where; the activation must be as wide as the SAE's d_model.</param>
    /// <param name="sae">Not owned. The arithmetic is done in its type and the result is cast back to the activation's.</param>
    /// <param name="mode">Replace (the article's) or delta, which keeps the SAE's error.</param>
    /// <param name="scale">c, <c>[d_sae]</c>; null is 1.</param>
    /// <param name="shift">d, <c>[d_sae]</c>; null is 0.</param>
    /// <param name="where">Bool, <c>[batch, seq]</c>: the tokens at which the dials act; at the others they are at rest. Null: all.</param>
    /// <exception cref="ArgumentException">A dial has the wrong shape or type; later, in the tap: the activation has.</exception>
    public static Tap Splice(
        HookPoint at, ISparseAutoencoder sae, SpliceMode mode = SpliceMode.Replace, Tensor? scale = null, Tensor? shift = null, Tensor? where = null)
    {
        EnsureDial(scale, nameof(scale), sae);
        EnsureDial(shift, nameof(shift), sae);
        bool identity = scale is null && shift is null;
        return Only(at, x =>
        {
            EnsureWidth(at, x, sae.DModel, "the SAE");
            if (mode is SpliceMode.Delta && identity) return x;
            using var scope = NewDisposeScope();
            var m = As(x, sae.WDec.dtype);
            if (identity) return As(sae.Reconstruct(m), x.dtype).MoveToOuterDisposeScope();
            var z = sae.PreActivations(m);                  // [.., d_sae]
            if (mode is SpliceMode.Delta && scale is not null && shift is not null && SparseDelta.Takes(sae, m) && SparseDelta.IsWorthIt(z))
                return As(SparseDelta.Of(sae, m, z, scale, shift, where is null ? null : Fitting(where, x)), x.dtype).MoveToOuterDisposeScope();
            var f = Turned(sae, z, scale, shift);           // [.., d_sae]
            var plain = mode is SpliceMode.Delta || where is not null ? sae.Activate(z) : null;
            if (where is not null) f = torch.where(Fitting(where, x), f, plain!);
            var spliced = mode is SpliceMode.Replace ? sae.Decode(f) : m + (f - plain!).matmul(sae.WDec);
            return As(spliced, x.dtype).MoveToOuterDisposeScope();
        });
    }

    /// <summary>
    /// One latent held at a value, the SAE's error and all other latents kept: <c>m' = m + (value - f_j) W_dec[j]</c>, where f_j is what the latent is on the model's own activation.
    /// At 0 the latent is taken out.
    /// </summary>
    /// <param name="at">Where; the activation must be as wide as the SAE's d_model.</param>
    /// <param name="sae">Not owned; no transcoder. The arithmetic is done in its type and the result is cast back to the activation's.</param>
    /// <param name="latent">j, 0 to d_sae - 1.</param>
    /// <param name="value">What the latent is held at, finite.</param>
    /// <param name="onlyWhereItFires">Whether only tokens are changed on which the latent fires; else every token is.</param>
    /// <exception cref="ArgumentException">The SAE is a transcoder or has no such latent, or the value is not finite; later, in the tap: the activation has the wrong width or type.</exception>
    public static Tap Clamp(HookPoint at, ISparseAutoencoder sae, int latent, double value, bool onlyWhereItFires = false)
    {
        if (sae.DOut != sae.DModel || sae is Transcoder) throw new ArgumentException($"a {sae.Architecture} does not write where it reads; a latent is clamped in an autoencoder.", nameof(sae));
        if (latent < 0 || latent >= sae.DSae) throw new ArgumentException($"latent {latent} is not one of the SAE's; allowed are 0 to {sae.DSae - 1}.", nameof(latent));
        if (!double.IsFinite(value)) throw new ArgumentException($"the value is {value}; it must be finite.", nameof(value));
        return Only(at, x =>
        {
            EnsureWidth(at, x, sae.DModel, "the SAE");
            using var scope = NewDisposeScope();
            var m = As(x, sae.WDec.dtype);
            var f = sae.Encode(m).narrow(-1, latent, 1);     // [.., 1]
            var change = value - f;
            if (onlyWhereItFires) change = change.masked_fill(f <= 0, 0);
            return As(m + change * sae.WDec[latent], x.dtype).MoveToOuterDisposeScope();
        });
    }

    /// <summary>A transcoder, spliced in: what it makes of the activation at one hook point stands in place of the activation at a later one.</summary>
    /// <param name="from">Where it reads; as wide as its d_model.</param>
    /// <param name="to">Where it writes, later in the same pass; as wide as its d_out.</param>
    /// <param name="transcoder">Not owned. The arithmetic is done in its type and the result is cast back to the activation's.</param>
    /// <exception cref="ArgumentException">In the tap: an activation has another width.</exception>
    public static Tap Transcode(HookPoint from, HookPoint to, ISparseAutoencoder transcoder)
    {
        Tensor? written = null; // made at the one point, kept over dispose scopes to the other
        return Chain(
            Record(from, x =>
            {
                EnsureWidth(from, x, transcoder.DModel, "the transcoder");
                using var scope = NewDisposeScope();
                written?.Dispose();
                written = As(transcoder.Reconstruct(As(x, transcoder.WDec.dtype)), x.dtype).DetachFromDisposeScope();
            }),
            Only(to, y =>
            {
                var mine = written ?? throw new InvalidOperationException($"The pass reached {to} without passing {from}, where the transcoder reads.");
                written = null;
                EnsureWidth(to, y, transcoder.DOut, "the transcoder's output");
                using var scope = NewDisposeScope();
                scope.Attach(mine);
                return mine.MoveToOuterDisposeScope();
            }));
    }

    /// <summary>Reads the activation and changes nothing.</summary>
    /// <param name="at">Where.</param>
    /// <param name="read">Called with the activation, <c>[batch, seq, width]</c>, which is the model's: clone what shall outlive the call.</param>
    public static Tap Record(HookPoint at, Action<Tensor> read) => Only(at, x =>
    {
        read(x);
        return x;
    });

    /// <summary>Several taps as one; where two share a point, the later one sees what the earlier one returned.</summary>
    public static Tap Chain(params Tap[] taps) => (here, x) =>
    {
        foreach (var tap in taps) x = tap(here, x);
        return x;
    };

    /// <summary>An SAE's latents of x, <c>[.., d_sae]</c>, under its dials; a null dial is the identity.</summary>
    internal static Tensor Latents(ISparseAutoencoder sae, Tensor x, Tensor? scale, Tensor? shift)
    {
        if (scale is null && shift is null) return sae.Encode(x);
        using var z = sae.PreActivations(x);
        return Turned(sae, z, scale, shift);
    }

    /// <summary><c>Activate(c * z + d)</c> for pre-activations z, <c>[.., d_sae]</c>; a null dial is the identity.</summary>
    internal static Tensor Turned(ISparseAutoencoder sae, Tensor z, Tensor? scale, Tensor? shift)
    {
        using var scope = NewDisposeScope();
        var u = scale is null ? z : z * scale;
        if (shift is not null) u = u + shift;
        return sae.Activate(u).MoveToOuterDisposeScope();
    }

    private static Tensor Fitting(Tensor where, Tensor x) => where.dim() == 2 && x.dim() == 3 && where.size(0) == x.size(0) && where.size(1) == x.size(1)
        ? where.unsqueeze(-1).to(x.device) : throw new ArgumentException($"the tokens at which the dials act are {Axes(where)}; the activation is {Axes(x)}. Expected [batch, seq] of the same pass.");

    private static Tap Only(HookPoint at, Func<Tensor, Tensor> change) => (here, x) => here == at ? change(x) : x;

    private static Tensor As(Tensor t, ScalarType type) => t.dtype == type ? t : t.to(type);

    private static void EnsureWidth(HookPoint at, Tensor x, long width, string what)
    {
        if (!x.is_floating_point() || x.dim() < 1 || x.size(-1) != width) throw new ArgumentException(
            $"the activation at {at} is {x.dtype} {Axes(x)}; {what} needs floating-point [.., {width}]. "
            + "Use one that was made for this hook point of this model.");
    }

    private static void EnsureDial(Tensor? dial, string name, ISparseAutoencoder sae)
    {
        if (dial is not null && (dial.dim() != 1 || dial.size(0) != sae.DSae || dial.dtype != sae.WDec.dtype)) throw new ArgumentException(
            $"{name} is {dial.dtype} {Axes(dial)}; expected {sae.WDec.dtype} [d_sae] = [{sae.DSae}], one number per latent.", name);
    }

    private static string Axes(Tensor t) => $"[{string.Join(", ", t.shape)}]";
}
