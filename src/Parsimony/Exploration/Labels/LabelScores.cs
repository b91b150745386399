namespace Parsimony.Exploration.Labels;

/// <summary>How well something foretells where a latent fires, on windows that had no part in making the label.</summary>
/// <param name="Detection">Which windows does it fire in?</param>
/// <param name="Fuzzing">Is every marked token one it fires on?</param>
/// <param name="Pearson">Correlation of foretold and true activation over all tokens of the windows, -1 to 1; null where no activation is foretold.</param>
/// <param name="Spearman">The same of the ranks.</param>
public sealed record PredictorScore(BinaryScore Detection, BinaryScore Fuzzing, double? Pearson, double? Spearman);

/// <summary>The scores of a label, and those of what it must beat. Who always says yes, or always no, has a balanced accuracy of 0.5.</summary>
/// <param name="Label">The label's.</param>
/// <param name="PeakToken">Baseline: "fires on the one token that its strongest contexts most often peak on".</param>
/// <param name="Shuffled">Baseline: the label, by the same method, of another latent; null: it was not tried.</param>
public sealed record LabelScores(PredictorScore Label, PredictorScore PeakToken, PredictorScore? Shuffled);
