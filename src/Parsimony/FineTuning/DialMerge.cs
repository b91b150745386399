using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Folds dials into an ordinary SAE.</summary>
public static class DialMerge
{
    /// <summary>
    /// An SAE that does without dials what the given one does with them: <c>W_enc[:, i] *= c_i</c>,
    /// <c>b_enc_i = c_i b_enc_i + d_i</c>. It holds for every c, zero and negative too, because the dials act before the ReLU; products
    /// are formed in float64 and rounded once.
    /// </summary>
    /// <param name="sae">Float32, as every SAE here is: in bfloat16 a merge would swallow small changes. Unchanged.</param>
    /// <param name="dials">As many latents as the SAE has.</param>
    /// <returns>A new SAE, owned by the caller. Spliced with <c>replace</c> it equals the dials in that mode; delta mode also needs the
    /// old SAE and is not a merged SAE's to give.</returns>
    /// <exception cref="ArgumentException">The numbers of latents differ.</exception>
    public static SparseAutoencoder Into(SparseAutoencoder sae, FeatureDials dials)
    {
        if (dials.DSae != sae.DSae) throw new ArgumentException(
            $"the dials are for {dials.DSae} latents, the SAE has {sae.DSae}. Use the SAE they were trained on.", nameof(dials));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var c = dials.Scale().to(ScalarType.Float64);
        var wEnc = sae.WEnc.to(ScalarType.Float64) * c;
        var bEnc = sae.BEnc.to(ScalarType.Float64) * c + dials.Shift.to(ScalarType.Float64);
        return new SparseAutoencoder(wEnc, sae.WDec, bEnc, sae.BDec); // which rounds to float32
    }
}
