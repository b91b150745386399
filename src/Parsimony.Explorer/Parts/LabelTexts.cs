using Parsimony.Exploration.Labels;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Parts;

/// <summary>Labels and their scores in words.</summary>
internal static class LabelTexts
{
    /// <summary>How a label was made.</summary>
    public static string Name(AutomaticLabel label) => label.Method switch
    {
        LabelMethod.Tokens => "Its tokens",
        LabelMethod.Pattern => "N-grams that make it fire",
        _ => $"An explainer{(label.Model is { } model ? $", {model}" : "")}",
    };

    /// <summary>What the scores say, baselines beside them.</summary>
    public static string Scores(LabelScores? scores)
    {
        if (scores is null) return "Too few examples to score it.";
        string Two(Func<PredictorScore, double> of) => $"{Text(of(scores.Label))} (one token {Text(of(scores.PeakToken))}" + (scores.Shuffled is { } other ? $", another latent’s label {Text(of(other))}" : "") + ", guessing 0.5)";
        return $"detection {Two(s => s.Detection.BalancedAccuracy)}; fuzzing {Two(s => s.Fuzzing.BalancedAccuracy)}" + (scores.Label.Pearson is { } r ? $"; Pearson {Text(r)}" : "") + ".";
    }

    /// <summary>A score, or a dash where it is not defined.</summary>
    public static string Text(double? score) => score is { } s && double.IsFinite(s) ? Number.Text(Math.Round(s, 3)) : "–";
}
