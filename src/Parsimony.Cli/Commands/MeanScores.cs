using Parsimony.Exploration.Labels;

namespace Parsimony.Cli.Commands;

/// <summary>Mean scores of one method's labels, over the latents that could be scored.</summary>
/// <param name="Method">The method.</param>
/// <param name="Found">Latents for which it found a label.</param>
/// <param name="Label">The labels'.</param>
/// <param name="PeakToken">Of the baseline "the one most frequent peak token", on the same latents.</param>
/// <param name="Shuffled">Of another latent's label; null: it was not tried.</param>
internal sealed record MeanScores(LabelMethod Method, int Found, MeanScores.Mean? Label, MeanScores.Mean? PeakToken, MeanScores.Mean? Shuffled)
{
    /// <summary>Means; detection and fuzzing are balanced accuracies, precision, recall and F1 detection's.</summary>
    internal sealed record Mean(int Scored, double Detection, double Fuzzing, double Precision, double Recall, double F1, double? Pearson, double? Spearman)
    {
        /// <summary>Of some scores; null: there are none.</summary>
        public static Mean? Of(IReadOnlyList<PredictorScore> scores) => scores.Count == 0 ? null : new(scores.Count, scores.Average(s => s.Detection.BalancedAccuracy), scores.Average(s => s.Fuzzing.BalancedAccuracy),
            scores.Average(s => s.Detection.Precision), scores.Average(s => s.Detection.Recall), scores.Average(s => s.Detection.F1), scores.Average(s => s.Pearson), scores.Average(s => s.Spearman));
    }

    /// <summary>The means of each method that labelled any of the latents.</summary>
    public static IReadOnlyList<MeanScores> Of(IReadOnlyList<LatentLabels> latents) =>
        [.. latents.SelectMany(l => l.Automatic).GroupBy(a => a.Method).OrderBy(g => g.Key).Select(g =>
        {
            var scores = g.Select(a => a.Scores).OfType<LabelScores>().ToList();
            return new MeanScores(g.Key, g.Count(), Mean.Of([.. scores.Select(s => s.Label)]), Mean.Of([.. scores.Select(s => s.PeakToken)]), Mean.Of([.. scores.Select(s => s.Shuffled).OfType<PredictorScore>()]));
        })];
}
