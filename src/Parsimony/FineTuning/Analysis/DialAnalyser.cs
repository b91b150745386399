using System.Diagnostics;
using Parsimony.Evaluation;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Finds out what fine-tuning only the dials changed, what of it is more than noise, and what it cost. The same subject, options and seed give the
/// same numbers.</summary>
public sealed class DialAnalyser
{
    private static readonly double[] Quantiles = [0.05, 0.25, 0.5, 0.75, 0.95];
    private readonly DialSeam seam;
    private readonly AnalysisOptions options;

    /// <summary>An analyser.</summary>
    /// <param name="seam">Model and SAEs of the dials.</param>
    /// <param name="options">How much is looked at; null is the default.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public DialAnalyser(DialSeam seam, AnalysisOptions? options = null) => (this.seam, this.options) = (seam, (options ?? new()).Validated());

    /// <summary>Analyses the dials of the seam's one hook point.</summary>
    /// <param name="subject">What is analysed.</param>
    /// <param name="progress">Told after every pass.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">There is no text, the dials or null runs are of another SAE, or there are several hook points.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public DialAnalysis Analyse(AnalysisSubject subject, IProgress<AnalysisProgress>? progress = null, CancellationToken cancellation = default) =>
        Analyse(subject, seam.Turned.Count == 1 ? seam.Turned[0].At
            : throw new ArgumentException($"there are dials at {string.Join(", ", seam.Turned.Select(s => s.At))}; say which of them to analyse.", nameof(subject)), progress, cancellation);

    /// <summary>Analyses one hook point's dials in the presence of the others', which stay as they are: from these at rest and those not, to all of them.</summary>
    /// <param name="subject">What is analysed; its change and null runs are those of all hook points. In a null run the others' dials are its own.</param>
    /// <param name="at">The hook point.</param>
    /// <param name="progress">Told after every pass.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">There is no text, the dials or null runs are of other SAEs, or there are none at the hook point.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public DialAnalysis Analyse(AnalysisSubject subject, HookPoint at, IProgress<AnalysisProgress>? progress = null, CancellationToken cancellation = default)
    {
        EnsureFits(subject);
        var clock = Stopwatch.StartNew();
        var (own, change, objective) = (seam.Only(at, subject.Change), seam.Part(subject.Change, at), subject.Objective);
        int batch = options.BatchSize, done = 0, points = KeepDropCurves.Sizes(change.Changed.Count).Count;
        int passes = 3 + 2 * options.LeaveOneOut + points * 2 * (1 + options.RandomControls) + options.Doses + options.LedgerSteps;
        Action Step(string stage, int cost = 1) => () => progress?.Report(new AnalysisProgress(stage, done += cost, passes));

        Step("latents", 0)();
        var activity = LatentActivity.Of(own, change, subject.Texts, cancellation);
        var effects = DialEffects.Of(own, change, activity);
        var similarity = FeatureSimilarity.Of(activity, options.TopContexts);
        var band = subject.Nulls.Count == 0 ? null
            : NullBand.Of(effects.Effect, [.. subject.Nulls.Select(n => DialEffects.Measure(seam.Only(at, n), seam.Part(n, at), subject.Texts, cancellation).Effect)], options.NullQuantile);
        var ranking = effects.Ranking(change);
        int[] strongest = [.. ranking.Where(i => effects.Effect[i] > 0).Take(options.LeaveOneOut)];

        var (before, after, interval) = Change(own, objective, change, cancellation);
        Step("objective", 2)();
        using var atRest = ExampleGradients.At(own, objective, DialChange.None(change.DSae), batch, ExampleGradients.Weighted(objective), cancellation);
        var statistics = FeatureStatistics.Of(atRest, change, objective);
        var influences = subject.LearntFrom is { } learnt ? Influence.Measure(own, change, learnt, strongest, options.Influences, batch, cancellation)
            : Influence.Of(atRest, change, objective, strongest, options.Influences);
        Step("gradients")();
        var attribution = PathAttribution.Of(own, change, objective, options.LedgerTolerance, options.LedgerSteps, batch, Step("ledger"), cancellation);
        done = 3 + options.LedgerSteps;
        var single = LeaveOneOut.Measure(own, change, objective, strongest, batch, Step("leave one out", 2), cancellation);
        int[] withEffect = [.. ranking.Where(i => effects.Effect[i] > 0)];
        var curves = KeepDropCurves.Measure(
            own, change, objective, ranking, withEffect, options.RandomControls, options.Seed, batch, Step("keep and drop", 2 * (1 + options.RandomControls)), cancellation);
        var doses = DoseResponse.Measure(own, change, objective, options.Doses, options.LargestDose, batch, Step("doses"), cancellation);
        (ObjectiveValue, ObjectiveValue)? text = subject.HeldOutText is { } held
            ? (held.Measure(own, DialChange.None(change.DSae), batch, cancellation), held.Measure(own, change, batch, cancellation)) : null;
        var price = Price.Of(objective, after, text);

        bool Counts(int i) => statistics.Q[i] <= options.FalseDiscoveryRate && (band is null || (band.AnyMoved && effects.Effect[i] > band.Threshold));
        double all = effects.Effect.Sum();
        var changed = change.Changed;
        double[] correlations = [.. changed.Select(i => similarity.Pearson[i]).Where(double.IsFinite).Order()];
        var analysis = new DialAnalysis
        {
            Hook = at.ToString(),
            Beside = [.. own.Beside.Select(other => other.ToString())],
            Objective = objective.Name,
            HigherIsBetter = objective.HigherIsBetter,
            Parts = objective.Parts,
            Examples = objective.Examples,
            Reference = before,
            Tuned = after,
            Change = interval,
            DSae = change.DSae,
            Changed = changed.Count,
            TokensSeen = effects.TokensSeen,
            Sentences = [],
            Features = [.. ranking.Take(options.Features).Select(i => new MovedFeature
            {
                Latent = i,
                Scale = change.Scale(i),
                Shift = change.Shift(i),
                Effect = effects.Effect[i],
                EffectShare = all == 0 ? 0 : effects.Effect[i] / all,
                DensityBefore = effects.DensityBefore[i],
                DensityAfter = effects.DensityAfter[i],
                ThresholdShift = effects.ThresholdShift[i],
                Words = effects.Words[i],
                T = statistics.T[i],
                P = statistics.P[i],
                Q = statistics.Q[i],
                NullMost = band?.LatentMost[i],
                BeyondNull = band is null ? null : effects.Effect[i] > band.Threshold,
                Significant = Counts(i),
                Pearson = similarity.Pearson[i],
                ContextJaccard = similarity.ContextJaccard[i],
                FiringRatio = similarity.FiringRatio[i],
                FiringJaccard = similarity.FiringJaccard[i],
            })],
            Words = changed.SelectMany(i => effects.Words[i]).CountBy(word => word).OrderBy(p => p.Key).ToDictionary(p => p.Key, p => p.Value),
            Lorenz = LorenzCurve.Of(effects.Effect),
            LeaveOneOut = single,
            Curves = curves,
            Ledger = Ledger.Of(attribution, options.Features),
            Tested = statistics.Tested,
            Agreed = statistics.Q.Count(q => q <= options.FalseDiscoveryRate),
            Significant = [.. ranking.Where(Counts)],
            Null = band,
            Influences = influences,
            PearsonQuantiles = [.. Quantiles.Select(share => correlations.Length == 0 ? double.NaN : correlations[(int)(share * (correlations.Length - 1))])],
            Directions = subject.Retrained is { } retrained ? DecoderMatch.Of(own.Turned[0].Sae, retrained, options.SameDirection, cancellation) : null,
            Doses = doses,
            Price = price,
            Pareto = subject.Others.Count == 0 ? null : Pareto.Of([OtherMethod.Point("dials", objective, before, after, price), .. subject.Others]),
            Seconds = clock.Elapsed.TotalSeconds,
        };
        return analysis with { Sentences = Verdict.Of(analysis, options), Seconds = clock.Elapsed.TotalSeconds };
    }

    /// <summary>The ledger of all hook points' dials together: what each feature has of the whole change, along the straight line on which all of them turn at once.</summary>
    /// <param name="subject">What is analysed.</param>
    /// <param name="progress">Told after every gradient.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">The dials are of other SAEs.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public JointLedger Together(AnalysisSubject subject, IProgress<AnalysisProgress>? progress = null, CancellationToken cancellation = default)
    {
        EnsureFits(subject);
        int done = 0;
        return JointLedger.Of(seam, subject.Change, PathAttribution.Of(seam, subject.Change, subject.Objective, options.LedgerTolerance, options.LedgerSteps, options.BatchSize,
            () => progress?.Report(new AnalysisProgress("joint ledger", ++done, options.LedgerSteps)), cancellation), options.Features);
    }

    private void EnsureFits(AnalysisSubject subject)
    {
        foreach (var dials in subject.Nulls.Prepend(subject.Change))
            if (dials.DSae != seam.DSae) throw new ArgumentException($"dials have {dials.DSae} latents, the SAEs {seam.DSae}; they must belong together.", nameof(subject));
    }

    /// <summary>The objective before and after, and the interval of its change over resampled groups of examples.</summary>
    private (ObjectiveValue Before, ObjectiveValue After, Estimate Change) Change(DialSeam own, IObjective objective, DialChange change, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var before = objective.Scores(own.With(DialChange.None(change.DSae)), options.BatchSize, cancellation);
        var after = objective.Scores(own.With(change), options.BatchSize, cancellation);
        int[][] members = [.. Enumerable.Range(0, objective.Examples).GroupBy(i => objective.Groups[i]).OrderBy(g => g.Key).Select(g => g.ToArray())];
        var interval = Bootstrap.Interval(members.Length, groups =>
        {
            int[] drawn = [.. groups.SelectMany(g => members[g])];
            return objective.Combine(after, drawn).Total - objective.Combine(before, drawn).Total;
        }, new BootstrapOptions { Resamples = 1000, Seed = options.Seed });
        return (objective.Combine(before), objective.Combine(after), interval);
    }
}
