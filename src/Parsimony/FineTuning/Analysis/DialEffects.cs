using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What dials do to the latents on texts. A scale far from 1 means nothing by itself: what counts is how far the output moves.</summary>
public sealed record DialEffects
{
    /// <summary>Tokens looked at.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Mean over tokens of <c>|f' - f| * |W_dec row|</c>, <c>[d_sae]</c>, in the activation's units.</summary>
    public required double[] Effect { get; init; }

    /// <summary>Share of the tokens on which each fires at rest.</summary>
    public required double[] DensityBefore { get; init; }

    /// <summary>The same with the dials.</summary>
    public required double[] DensityAfter { get; init; }

    /// <summary>How far the pre-activation at which a ReLU latent begins to fire has moved: -d/c; NaN at c = 0.</summary>
    public required double[] ThresholdShift { get; init; }

    /// <summary>What became of each.</summary>
    public required DialWord[][] Words { get; init; }

    /// <summary>Latents that fired on these tokens and no longer do, ascending. Their dials have no gradient any more.</summary>
    public IReadOnlyList<int> Killed => [.. Enumerable.Range(0, Effect.Length).Where(i => DensityBefore[i] > 0 && DensityAfter[i] == 0)];

    /// <summary>Latents that did not fire on these tokens and now do, ascending.</summary>
    public IReadOnlyList<int> Born => [.. Enumerable.Range(0, Effect.Length).Where(i => DensityBefore[i] == 0 && DensityAfter[i] > 0)];

    /// <summary>Latents by effect, largest first, those at rest left out; among equals the lower index.</summary>
    public IReadOnlyList<int> Ranking(DialChange change) => [.. change.Changed.OrderByDescending(i => Effect[i])];

    /// <summary>Looks at texts.</summary>
    /// <param name="seam">Model and SAE, whose dials alone are to turn (<see cref="DialSeam.Only"/>).</param>
    /// <param name="change">The dials.</param>
    /// <param name="texts">One or more; only tokens at which the dials act count.</param>
    /// <param name="cancellation">Stops between two texts.</param>
    /// <exception cref="ArgumentException">There is no text, or none with a token at which the dials act.</exception>
    public static DialEffects Measure(DialSeam seam, DialChange change, IReadOnlyList<SftExample> texts, CancellationToken cancellation = default) =>
        Of(seam, change, LatentActivity.Of(seam, change, texts, cancellation));

    internal static DialEffects Of(DialSeam seam, DialChange change, LatentActivity a)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        double[] norms = linalg.vector_norm(seam.Turned.Single().Sae.WDec, dims: [1]).to(ScalarType.Float64).cpu().data<double>().ToArray();
        int[] all = [.. Enumerable.Range(0, change.DSae)];
        return new DialEffects
        {
            TokensSeen = a.Tokens,
            Effect = [.. all.Select(i => a.Moved[i] / a.Tokens * norms[i])],
            DensityBefore = [.. a.Before.Select(n => n / a.Tokens)],
            DensityAfter = [.. a.After.Select(n => n / a.Tokens)],
            ThresholdShift = [.. all.Select(i => Threshold(change, i))],
            Words = [.. all.Select(i => DialWords.Of(change.Scale(i), change.Shift(i), a.Before[i] / a.Tokens, a.After[i] / a.Tokens,
                () => (Threshold(change, i), a.ActiveInput[i] / a.Before[i], a.LoudAfter[i] / a.LoudBefore[i])))],
        };
    }

    private static double Threshold(DialChange change, int i) => change.Scale(i) == 0 ? double.NaN : change.Shift(i) == 0 ? 0 : -(double)change.Shift(i) / change.Scale(i);
}
