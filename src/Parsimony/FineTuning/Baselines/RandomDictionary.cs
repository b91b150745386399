using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// An SAE that has learnt nothing: dials on it show what two numbers for each of many sparse directions do whatever the directions are. Decoder rows are drawn uniformly from the unit sphere, the encoder is
/// their transpose, b_dec is the SAE's, and each encoder bias is set so that its latent fires on as many of the given tokens as the SAE's latent of the same index.
/// </summary>
public static class RandomDictionary
{
    private const long BlockNumbers = 1 << 24;

    /// <summary>A random dictionary with the shapes and densities of an SAE.</summary>
    /// <param name="sae">The SAE; an autoencoder of any architecture, not a transcoder.</param>
    /// <param name="activations">Activations at its hook point, <c>[tokens, d_model]</c>, float32; a few thousand will do. Densities are equal on these.</param>
    /// <param name="seed">Decides the directions.</param>
    /// <returns>A ReLU SAE on the SAE's device; the caller's.</returns>
    /// <exception cref="ArgumentException">The SAE writes another width than it reads, or the activations have another width or are none.</exception>
    public static StandardSae Like(ISparseAutoencoder sae, Tensor activations, long seed)
    {
        if (sae is Transcoder || sae.DOut != sae.DModel) throw new ArgumentException(
            $"a {sae.Architecture} writes another place than it reads; a random dictionary is made like an autoencoder.", nameof(sae));
        if (activations.dim() != 2 || activations.size(1) != sae.DModel || activations.size(0) == 0) throw new ArgumentException(
            $"activations have shape [{string.Join(", ", activations.shape)}]; expected [tokens, d_model] = [1 or more, {sae.DModel}].", nameof(activations));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var generator = new Generator(unchecked((ulong)seed), CPU);
        var device = sae.WDec.device;
        var wDec = DecoderRow.Renormalise(randn(sae.DSae, sae.DModel, generator: generator)).to(device);
        var bDec = sae.Weights.TryGetValue("b_dec", out var centre) ? centre : zeros(sae.DModel, device: device);
        var (x, wEnc) = (activations.to(device), wDec.t().contiguous());
        var centred = x - bDec;
        var bEnc = zeros(sae.DSae, device: device);
        var firings = Firings(sae, x);                                                              // [d_sae]
        long width = Math.Max(1, BlockNumbers / x.size(0));
        for (long first = 0; first < sae.DSae; first += width)
        {
            using var block = NewDisposeScope();
            long count = Math.Min(width, sae.DSae - first);
            var z = centred.matmul(wEnc.narrow(1, first, count));                                 // [tokens, count]
            bEnc.narrow(0, first, count).copy_(-Thresholds(z, firings.narrow(0, first, count)));
        }
        return new StandardSae(wEnc, wDec, bEnc, bDec);
    }

    /// <summary>For each column a number that as many of its entries exceed as wanted: half way to the next one; beyond the first or the last by a thousandth of the column's spread.</summary>
    private static Tensor Thresholds(Tensor z, Tensor wanted)
    {
        long tokens = z.size(0);
        var sorted = z.sort(0, descending: true).Values;
        var margin = (sorted[0] - sorted[-1]) * 1e-3 + 1e-6;
        var bounded = cat([(sorted[0] + 2 * margin).unsqueeze(0), sorted, (sorted[-1] - 2 * margin).unsqueeze(0)], 0); // [tokens + 2, count]
        var above = bounded.gather(0, wanted.unsqueeze(0));            // the last that fires
        var below = bounded.gather(0, wanted.unsqueeze(0) + 1);        // the first that does not
        return ((above + below) / 2).squeeze(0);
    }

    private static Tensor Firings(ISparseAutoencoder sae, Tensor x)
    {
        var count = zeros(sae.DSae, ScalarType.Int64, sae.WDec.device);
        long rows = Math.Max(1, BlockNumbers / sae.DSae);
        for (long first = 0; first < x.size(0); first += rows)
        {
            using var block = NewDisposeScope();
            count.add_(sae.Encode(x.narrow(0, first, Math.Min(rows, x.size(0) - first))).gt(0).sum([0L]));
        }
        return count;
    }
}
