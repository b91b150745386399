namespace Parsimony.FineTuning;

/// <summary>How far fine-tuning has come: one line of its metrics.jsonl, under these names in snake case.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="TokensSeen">Tokens in the batches so far, prompts included, padding not.</param>
/// <param name="TokensPerSecond">Tokens per second since this process began to train.</param>
/// <param name="Loss">Mean over the targets since the line before, nats per target, as the updates saw it.</param>
/// <param name="GammaRms">Root mean square of gamma = c - 1 over the latents, or of another adapter's scales less 1; null where it has none.</param>
/// <param name="ShiftRms">Root mean square of d in its unit over the latents, or of another adapter's shifts; null where it has none.</param>
/// <param name="ParameterRms">Root mean square of everything that is learnt.</param>
/// <param name="LatentsChanged">Latents whose c is not exactly 1 or whose d is not exactly 0; null where no dials are learnt.</param>
/// <param name="GradientNorm">L2 norm of this step's gradient, of all that may move together.</param>
public sealed record SftProgress(
    long Step, long Steps, long TokensSeen, double TokensPerSecond, double Loss, double? GammaRms, double? ShiftRms, double ParameterRms, long? LatentsChanged,
    double GradientNorm);
