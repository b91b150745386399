using System.Globalization;
using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Folds dials into an ordinary SAE.</summary>
public static class DialMerge
{
    /// <summary>Of what dials change, the most that may be lost by rounding a merged SAE.</summary>
    public const double Tolerance = 1e-3;

    /// <summary>
    /// An SAE that does without dials what the given one does with them: <c>W_enc[:, i] *= c_i</c>,
    /// <c>b_enc_i = c_i b_enc_i + d_i</c>. It holds for every c, zero and negative too, because the dials act on the pre-activations; products
    /// are formed in float64 and rounded once.
    /// </summary>
    /// <param name="sae">Float32, as every SAE here is: in bfloat16 a merge would swallow small changes. Unchanged.</param>
    /// <param name="dials">As many latents as the SAE has.</param>
    /// <returns>A new SAE, owned by the caller. Spliced with <c>replace</c> it equals the dials in that mode; delta mode also needs the
    /// old SAE and is not a merged SAE's to give.</returns>
    /// <exception cref="ArgumentException">The numbers of latents differ, or dials cannot be folded into this architecture.</exception>
    public static ISparseAutoencoder Into(ISparseAutoencoder sae, FeatureDials dials)
    {
        if (dials.DSae != sae.DSae) throw new ArgumentException(
            $"the dials are for {dials.DSae} latents, the SAE has {sae.DSae}. Use the SAE they were trained on.", nameof(dials));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var c = dials.Scale().to(ScalarType.Float64);
        Tensor Scaled(Tensor wEnc) => wEnc.to(ScalarType.Float64) * c;
        Tensor Shifted(Tensor bEnc) => bEnc.to(ScalarType.Float64) * c + dials.Shift().to(ScalarType.Float64);
        return sae switch // the constructors round to float32
        {
            StandardSae s => new StandardSae(Scaled(s.WEnc), s.WDec, Shifted(s.BEnc), s.BDec, s.ApplyBDecToInput),
            JumpReluSae s => new JumpReluSae(Scaled(s.WEnc), s.WDec, Shifted(s.BEnc), s.BDec, s.Threshold, s.ApplyBDecToInput),
            TopKSae s => new TopKSae(Scaled(s.WEnc), s.WDec, Shifted(s.BEnc), s.BDec, s.K, s.ApplyBDecToInput),
            _ => throw new ArgumentException($"dials cannot be folded into an SAE of architecture '{sae.Architecture}'; "
                + "allowed: standard, jumprelu, topk. Keep the adapter beside the SAE.", nameof(sae)),
        };
    }

    /// <summary>The same for an SAE that is to be kept in another type, if it can be: in bfloat16 a scale within 0.2 % of 1 changes nothing at all.</summary>
    /// <param name="sae">Float32; unchanged.</param>
    /// <param name="dials">As many latents as the SAE has.</param>
    /// <param name="storage">The type it is to be kept in.</param>
    /// <returns>A new SAE, its numbers exact in that type; owned by the caller.</returns>
    /// <exception cref="ArgumentException">As for the other overload.</exception>
    /// <exception cref="InvalidOperationException">Rounding loses more than <see cref="Tolerance"/> of what the dials change.</exception>
    public static ISparseAutoencoder Into(ISparseAutoencoder sae, FeatureDials dials, ScalarType storage)
    {
        var merged = Into(sae, dials);
        if (storage is ScalarType.Float32) return merged;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double lost = 0, changed = 0;
        foreach (string name in (string[])["W_enc", "b_enc"])
        {
            var (before, exact) = (sae.Weights[name], merged.Weights[name]);
            var rounded = exact.to(storage).to(ScalarType.Float32);
            // What is measured is the change that is left: a rounding that old and new share is not the dials'.
            lost += (rounded - before.to(storage).to(ScalarType.Float32) - (exact - before)).square().sum(ScalarType.Float64).item<double>();
            changed += (exact - before).square().sum(ScalarType.Float64).item<double>();
        }
        double share = changed == 0 ? 0 : Math.Sqrt(lost / changed);
        if (share > Tolerance)
        {
            merged.Dispose();
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                $"as {storage} the merged SAE would be off by {share:0.0 %} of what the dials change; allowed is {Tolerance:0.0 %}. Merge in Float32, or keep the adapter beside the SAE."));
        }
        foreach (var t in merged.Weights.Values) t.copy_(t.to(storage));
        return merged;
    }
}
