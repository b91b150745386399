using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What became of a latent, in a word. A latent may have several.</summary>
public enum DialWord
{
    /// <summary>Its dials are at rest.</summary>
    Unchanged,

    /// <summary>It fires on none of the texts, before or after: nothing can be said of it.</summary>
    Silent,

    /// <summary>It fired and no longer does.</summary>
    Off,

    /// <summary>It did not fire and now does.</summary>
    Born,

    /// <summary>c is below 0: it fires where it was most silent.</summary>
    Inverted,

    /// <summary>It fires on 99 % of the tokens or more, and did not.</summary>
    AlwaysOn,

    /// <summary>Its threshold -d/c is below 0: it fires on weaker evidence.</summary>
    Earlier,

    /// <summary>Its threshold is above 0: it takes more to make it fire.</summary>
    Later,

    /// <summary>Where it fired and still does, it is stronger.</summary>
    Louder,

    /// <summary>Where it fired and still does, it is weaker.</summary>
    Quieter,

    /// <summary>Its dials moved and nothing came of it.</summary>
    Barely,
}

/// <summary>What dials do to the latents on texts. A scale far from 1 means nothing by itself: what counts is how far the output moves.</summary>
public sealed record DialEffects
{
    private const double Least = 0.01;  // of the mean active pre-activation, or of the loudness: below, nothing came of it
    private const double Always = 0.99; // of the tokens

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
            Words = [.. all.Select(i => Say(change, a, i))],
        };
    }

    private static double Threshold(DialChange change, int i) => change.Scale(i) == 0 ? double.NaN : change.Shift(i) == 0 ? 0 : -(double)change.Shift(i) / change.Scale(i);

    private static DialWord[] Say(DialChange change, LatentActivity a, int i)
    {
        if (change.Scale(i) == 1 && change.Shift(i) == 0) return [DialWord.Unchanged];
        if (a.Before[i] == 0 && a.After[i] == 0) return [DialWord.Silent];
        if (a.After[i] == 0) return [DialWord.Off];
        var words = new List<DialWord>();
        if (change.Scale(i) < 0) words.Add(DialWord.Inverted);
        if (a.Before[i] == 0) words.Add(DialWord.Born);
        if (a.After[i] >= Always * a.Tokens && a.Before[i] < Always * a.Tokens) words.Add(DialWord.AlwaysOn);
        if (change.Scale(i) > 0 && a.Before[i] > 0)
        {
            double threshold = Threshold(change, i), usual = a.ActiveInput[i] / a.Before[i], loud = a.LoudAfter[i] / a.LoudBefore[i];
            if (Math.Abs(threshold) > Least * usual) words.Add(threshold < 0 ? DialWord.Earlier : DialWord.Later);
            if (Math.Abs(loud - 1) > Least) words.Add(loud > 1 ? DialWord.Louder : DialWord.Quieter);
        }
        return words.Count > 0 ? [.. words] : [DialWord.Barely];
    }
}
