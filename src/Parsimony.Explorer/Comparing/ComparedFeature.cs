using Parsimony.FineTuning.Analysis;

namespace Parsimony.Explorer.Comparing;

/// <summary>A latent whose dials moved: one row of the comparison. What was not measured is null; NaN: measured and not defined.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="Scale">c.</param>
/// <param name="Shift">d.</param>
/// <param name="Effect">Measured: mean over tokens of |f' - f| times the length of the decoder row. Predicted: mean of |f' - f| by the index's bins. Without an index: |c - 1| + |d|.</param>
/// <param name="Share">Effect / sum of the effects of all latents that changed.</param>
/// <param name="ThresholdShift">-d/c, in units of the pre-activation; NaN at c = 0.</param>
/// <param name="DensityBefore">Share of the tokens on which it fires at rest.</param>
/// <param name="DensityAfter">The same with the dials.</param>
/// <param name="Words">What became of it.</param>
/// <param name="TopToken">The token it fires on most; null where it never fires or there is no index.</param>
public sealed record ComparedFeature(
    int Latent, double Scale, double Shift, double Effect, double Share, double ThresholdShift, double? DensityBefore, double? DensityAfter, IReadOnlyList<string> Words, string? TopToken)
{
    /// <summary>See <see cref="FeatureStatistics.T"/>.</summary>
    public double? T { get; init; }

    /// <summary>Its false discovery rate.</summary>
    public double? Q { get; init; }

    /// <summary>Whether its effect is beyond the null runs' quantile.</summary>
    public bool? BeyondNull { get; init; }

    /// <summary>Whether it counts as moved.</summary>
    public bool IsSignificant { get; init; }

    /// <summary>What the objective changes by when its dials alone are put at rest.</summary>
    public double? LeftOut { get; init; }

    /// <summary>What the objective changes by when its dials alone are not at rest.</summary>
    public double? KeptIn { get; init; }

    /// <summary>What its dials do to where it begins to fire, in words.</summary>
    public string Threshold => Scale switch
    {
        0 => "does not listen any more",
        < 0 => "fires where it was most silent",
        _ when ThresholdShift == 0 => "begins to fire where it did",
        _ => $"begins to fire {Reporting.Number.Text(Math.Abs(ThresholdShift))} {(ThresholdShift < 0 ? "earlier" : "later")}",
    };
}
