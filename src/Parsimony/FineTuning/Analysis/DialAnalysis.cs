using Parsimony.Evaluation;
using Parsimony.Files;

namespace Parsimony.FineTuning.Analysis;

/// <summary>One feature that changed, with all that was found out about it. NaN: not defined, such as the correlation of a latent that is off.</summary>
public sealed record MovedFeature
{
    /// <summary>Index of the latent.</summary>
    public required int Latent { get; init; }

    /// <summary>c.</summary>
    public required double Scale { get; init; }

    /// <summary>d.</summary>
    public required double Shift { get; init; }

    /// <summary>See <see cref="DialEffects.Effect"/>.</summary>
    public required double Effect { get; init; }

    /// <summary>Effect / sum of the effects of all latents.</summary>
    public required double EffectShare { get; init; }

    /// <summary>Share of the tokens on which it fires at rest.</summary>
    public required double DensityBefore { get; init; }

    /// <summary>The same with the dials.</summary>
    public required double DensityAfter { get; init; }

    /// <summary>-d/c.</summary>
    public required double ThresholdShift { get; init; }

    /// <summary>What became of it.</summary>
    public required IReadOnlyList<DialWord> Words { get; init; }

    /// <summary>See <see cref="FeatureStatistics.T"/>.</summary>
    public required double T { get; init; }

    /// <summary>Its two-sided p.</summary>
    public required double P { get; init; }

    /// <summary>Its false discovery rate.</summary>
    public required double Q { get; init; }

    /// <summary>Largest effect of the same latent in a null run; null without null runs.</summary>
    public double? NullMost { get; init; }

    /// <summary>Whether its effect is beyond the null runs' quantile; null without null runs.</summary>
    public bool? BeyondNull { get; init; }

    /// <summary>Whether it counts as moved: examples agree about it at the false discovery rate, and where there are null runs, it is beyond them and so is the run.</summary>
    public required bool Significant { get; init; }

    /// <summary>See <see cref="FeatureSimilarity.Pearson"/>.</summary>
    public required double Pearson { get; init; }

    /// <summary>See <see cref="FeatureSimilarity.ContextJaccard"/>.</summary>
    public required double ContextJaccard { get; init; }

    /// <summary>See <see cref="FeatureSimilarity.FiringRatio"/>.</summary>
    public required double FiringRatio { get; init; }

    /// <summary>See <see cref="FeatureSimilarity.FiringJaccard"/>.</summary>
    public required double FiringJaccard { get; init; }
}

/// <summary>What fine-tuning only the dials changed: the content of <c>analysis.json</c>. Formulas and what they may be said to show: docs/analysis.md.</summary>
public sealed record DialAnalysis
{
    /// <summary>The hook point of the SAE.</summary>
    public required string Hook { get; init; }

    /// <summary>Hook points whose dials, away from rest, stayed as they are: what is said here is said in their presence. Empty: none.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];

    /// <summary>What the dials were analysed for.</summary>
    public required string Objective { get; init; }

    /// <summary>Whether more of it is better.</summary>
    public required bool HigherIsBetter { get; init; }

    /// <summary>Its parts.</summary>
    public required IReadOnlyList<ObjectivePart> Parts { get; init; }

    /// <summary>Examples behind it.</summary>
    public required int Examples { get; init; }

    /// <summary>With the dials at rest.</summary>
    public required ObjectiveValue Reference { get; init; }

    /// <summary>With the dials.</summary>
    public required ObjectiveValue Tuned { get; init; }

    /// <summary>Its change, and the 95 % interval for examples like these (bootstrap over groups of examples; the dials are taken as given).</summary>
    public required Estimate Change { get; init; }

    /// <summary>Number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>Latents whose dials are not exactly at rest.</summary>
    public required int Changed { get; init; }

    /// <summary>Tokens of the texts looked at.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>The verdict, in plain sentences.</summary>
    public required IReadOnlyList<string> Sentences { get; init; }

    /// <summary>The features that moved the output most, largest effect first.</summary>
    public required IReadOnlyList<MovedFeature> Features { get; init; }

    /// <summary>How many of the latents that changed have each word.</summary>
    public required IReadOnlyDictionary<DialWord, int> Words { get; init; }

    /// <summary>How unevenly the effect lies on the latents.</summary>
    public required LorenzCurve Lorenz { get; init; }

    /// <summary>Each of the strongest by itself.</summary>
    public required LeaveOneOut LeaveOneOut { get; init; }

    /// <summary>How few carry the change.</summary>
    public required KeepDropCurves Curves { get; init; }

    /// <summary>The ledger.</summary>
    public required Ledger Ledger { get; init; }

    /// <summary>Features that were tested.</summary>
    public required int Tested { get; init; }

    /// <summary>Of these, features about which examples agree at the false discovery rate.</summary>
    public required int Agreed { get; init; }

    /// <summary>Features that count as moved.</summary>
    public required IReadOnlyList<int> Significant { get; init; }

    /// <summary>The null runs; null without any.</summary>
    public NullBand? Null { get; init; }

    /// <summary>Which examples pushed the strongest features.</summary>
    public required IReadOnlyList<Influence> Influences { get; init; }

    /// <summary>Quantiles 0.05, 0.25, 0.5, 0.75, 0.95 of the correlation before and after, over the latents that changed and fire.</summary>
    public required IReadOnlyList<double> PearsonQuantiles { get; init; }

    /// <summary>Directions against those of an SAE retrained on the tuned model; null without one.</summary>
    public DecoderMatch? Directions { get; init; }

    /// <summary>The objective as the change is turned up.</summary>
    public required IReadOnlyList<Dose> Doses { get; init; }

    /// <summary>What it costs.</summary>
    public required Price Price { get; init; }

    /// <summary>This run among others, each by what it gained and what it cost; null without others.</summary>
    public IReadOnlyList<ParetoPoint>? Pareto { get; init; }

    /// <summary>What their gain is, in words; null: the change of the objective's first part for the better.</summary>
    public string? ParetoGain { get; init; }

    /// <summary>Wall-clock seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Writes it, whole or not at all.</summary>
    /// <exception cref="IOException">The file cannot be written; nothing is left behind.</exception>
    public void Save(string path) => Json.Save(path, this);

    /// <summary>Reads it.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no analysis of this version.</exception>
    public static DialAnalysis Load(string path) => Json.Load<DialAnalysis>(path);
}
