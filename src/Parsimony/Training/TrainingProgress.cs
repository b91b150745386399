namespace Parsimony.Training;

/// <summary>One line of <c>metrics.jsonl</c>, under these names in snake case. The numbers of a step are those of its batch, as the
/// update saw them.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="TokensSeen">Tokens trained on.</param>
/// <param name="TokensPerSecond">Tokens per second since the line before, harvest included.</param>
/// <param name="Loss">What was minimised, in raw units: Mse + SparsityLoss + AuxiliaryLoss.</param>
/// <param name="Mse">Mean over tokens of |x - xHat|², summed over d_model, raw units.</param>
/// <param name="SparsityLoss">The sparsity term as it stands in the loss; for the article's SAE beta times L1.</param>
/// <param name="AuxiliaryLoss">What else stands there: AuxK, Gated's second reconstruction, Matryoshka's prefixes.</param>
/// <param name="L1">Mean over tokens of Σ f, not weighted, raw units.</param>
/// <param name="L0">Mean active latents per token.</param>
/// <param name="ExplainedVariance">Of the batch, in float64 (<see cref="Autoencoders.ExplainedVariance"/>); NaN for a constant batch.</param>
/// <param name="DeadFraction">Share of latents that fired on no token of the last <see cref="SaeTrainingOptions.ResampleLookBackSteps"/> steps.</param>
/// <param name="SparsityCoefficient">The weight of the sparsity term in this step; for the article's SAE its beta.</param>
/// <param name="LearningRate">Adam's rate in this step.</param>
/// <param name="Resampled">Latents resampled so far, this step's not included.</param>
/// <param name="WaitForActivations">Share of the time since the line before in which training stood still for the harvest.</param>
/// <param name="WaitForTraining">Share of it in which the harvest beside it stood still for training; 0 when nothing runs beside it.</param>
public sealed record TrainingProgress(long Step, long Steps, long TokensSeen, double TokensPerSecond, double Loss, double Mse, double SparsityLoss,
    double AuxiliaryLoss, double L1, double L0, double ExplainedVariance, double DeadFraction,
    double SparsityCoefficient, double LearningRate, long Resampled, double WaitForActivations = 0, double WaitForTraining = 0);
