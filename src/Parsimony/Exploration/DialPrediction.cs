using Parsimony.Exploration.Index;
using Parsimony.FineTuning.Analysis;

namespace Parsimony.Exploration;

/// <summary>What becomes of a latent under dials, <c>f = ReLU(c z + d)</c>, as its histogram tells it without another pass.</summary>
public sealed record DialPrediction
{
    /// <summary>c.</summary>
    public required double Scale { get; init; }

    /// <summary>d.</summary>
    public required double Shift { get; init; }

    /// <summary>Share of the tokens on which it fires, 0 to 1.</summary>
    public required double Density { get; init; }

    /// <summary>How far that can be from the true share; null where it is only estimated (TopK).</summary>
    public required double? DensityError { get; init; }

    /// <summary>Mean activation over all tokens.</summary>
    public required double Mean { get; init; }

    /// <summary>How far that can be from the true mean; null where it is only estimated.</summary>
    public required double? MeanError { get; init; }

    /// <summary>The pre-activation at which it begins to fire (below which it fires, where c is below 0): <c>(threshold - d) / c</c>; null at c = 0.</summary>
    public required double? Onset { get; init; }

    /// <summary>See <see cref="PreActivationHistogram.Moved"/>.</summary>
    public required double Moved { get; init; }

    /// <summary>What became of it, by the rules of <see cref="DialEffects.Words"/>.</summary>
    public required IReadOnlyList<DialWord> Words { get; init; }

    /// <summary>Predicts.</summary>
    /// <param name="histogram">The latent's pre-activations.</param>
    /// <param name="scale">c, finite.</param>
    /// <param name="shift">d, finite.</param>
    /// <exception cref="ArgumentException">A dial is not finite.</exception>
    public static DialPrediction Of(PreActivationHistogram histogram, double scale, double shift)
    {
        if (!double.IsFinite(scale) || !double.IsFinite(shift)) throw new ArgumentException($"the dials are c = {scale}, d = {shift}; they must be finite.");
        var (density, mean, before) = (histogram.Density(scale, shift), histogram.Mean(scale, shift), histogram.Density(1, 0).Value);
        return new DialPrediction
        {
            Scale = scale,
            Shift = shift,
            Density = density.Value,
            DensityError = density.Error,
            Mean = mean.Value,
            MeanError = mean.Error,
            Onset = scale == 0 ? null : (histogram.Floor - shift) / scale,
            Moved = histogram.Moved(scale, shift),
            Words = DialWords.Of(scale, shift, before, density.Value, () => Moves(histogram, scale, shift, before)),
        };
    }

    /// <summary>By c above 0: how far the threshold moves, the mean pre-activation where it fired, and the loudness after / before where it fires both times.</summary>
    private static (double Threshold, double Usual, double Loudness) Moves(PreActivationHistogram histogram, double scale, double shift, double before)
    {
        double floor = histogram.Floor, onset = (floor - shift) / scale, loudBefore = 0, loudAfter = 0;
        for (int i = 0; i < histogram.Counts.Count; i++)
        {
            double z = (histogram.Edge(i) + histogram.Edge(i + 1)) / 2, n = histogram.Counts[i];
            if (n == 0 || z <= Math.Max(floor, onset)) continue;
            (loudBefore, loudAfter) = (loudBefore + n * z, loudAfter + n * (scale * z + shift));
        }
        return (onset - floor, histogram.Mean(1, 0).Value / before, loudBefore > 0 ? loudAfter / loudBefore : double.NaN);
    }
}
