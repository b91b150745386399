using Parsimony.Autoencoders;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>What dials do to the latents on a text. A scale far from 1 means nothing by itself: what counts is how far the output moves.</summary>
public sealed record DialMovement
{
    /// <summary>Per latent, the mean over tokens of <c>|f' - f| * |W_dec row|</c>: how far the latent moves the output, <c>[d_sae]</c>, in
    /// the activation's units.</summary>
    public required double[] Effect { get; init; }

    /// <summary>Latents that fired on these tokens and no longer do. Their dials have no gradient any more.</summary>
    public required int[] Killed { get; init; }

    /// <summary>Latents that did not fire on these tokens and now do.</summary>
    public required int[] Born { get; init; }

    /// <summary>Tokens measured.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Measures dials on token sequences.</summary>
    /// <param name="sae">The SAE of the dials.</param>
    /// <param name="dials">The dials.</param>
    /// <param name="prefixes">Gives the activations at the dials' hook point.</param>
    /// <param name="rows">Token sequences, one or more.</param>
    public static DialMovement Measure(ISparseAutoencoder sae, FeatureDials dials, PrefixCache prefixes, IReadOnlyList<int[]> rows)
    {
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        var moved = zeros(sae.DSae, ScalarType.Float64);
        var before = zeros(sae.DSae, ScalarType.Bool);
        var after = zeros(sae.DSae, ScalarType.Bool);
        var (scale, shift) = (dials.Scale(), dials.Shift());
        long tokens = 0;
        foreach (int[] row in rows)
        {
            using var scope = NewDisposeScope();
            var x = prefixes.Batch([row]).Activation.reshape(-1, sae.DModel);
            var z = sae.PreActivations(x);                                      // [tokens, d_sae]
            var f = sae.Activate(z);
            var tuned = Taps.Turned(sae, z, scale, shift);
            moved.add_((tuned - f).abs().sum(0, type: ScalarType.Float64));
            before.logical_or_(f.gt(0).any(0, keepdim: false));
            after.logical_or_(tuned.gt(0).any(0, keepdim: false));
            tokens += row.Length;
        }
        var effect = moved / tokens * linalg.vector_norm(sae.WDec, dims: [1]).to(ScalarType.Float64);
        var (firedBefore, firedAfter) = (before.data<bool>().ToArray(), after.data<bool>().ToArray());
        return new DialMovement
        {
            Effect = effect.data<double>().ToArray(),
            Killed = [.. Enumerable.Range(0, sae.DSae).Where(i => firedBefore[i] && !firedAfter[i])],
            Born = [.. Enumerable.Range(0, sae.DSae).Where(i => !firedBefore[i] && firedAfter[i])],
            TokensSeen = tokens,
        };
    }
}
