namespace Parsimony.FineTuning.Preference;

/// <summary>How far learning from pairs has come: one line of its metrics.jsonl, under these names in snake case. Means are over the pairs since the line before, as the
/// updates saw them.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="TokensSeen">Tokens in the batches so far, prompts with both completions, padding not counted.</param>
/// <param name="TokensPerSecond">Tokens per second since this process began to train.</param>
/// <param name="Loss">Mean loss of a pair; ln 2 at the start of DPO.</param>
/// <param name="Accuracy">Share of pairs whose chosen completion has the larger implicit reward.</param>
/// <param name="Margin">Mean of chosen less rejected implicit reward, beta (ln p - ln p_ref).</param>
/// <param name="ChosenReward">Mean implicit reward of the chosen completions.</param>
/// <param name="RejectedReward">Mean implicit reward of the rejected ones.</param>
/// <param name="ChosenLogProb">Mean ln p of a chosen completion, nats. That it falls while the margin grows is common; see nll_weight.</param>
/// <param name="RejectedLogProb">Mean ln p of a rejected one, nats.</param>
/// <param name="GammaRms">Root mean square of c - 1; null where there is none.</param>
/// <param name="ShiftRms">Root mean square of d in its unit; null where there is none.</param>
/// <param name="ParameterRms">Root mean square of everything that is learnt.</param>
/// <param name="LatentsChanged">Latents whose dials are not exactly at rest; null where no dials are learnt.</param>
/// <param name="GradientNorm">Length of the last step's gradient before it was shortened.</param>
public sealed record DpoProgress(
    long Step, long Steps, long TokensSeen, double TokensPerSecond, double Loss, double Accuracy, double Margin, double ChosenReward, double RejectedReward,
    double ChosenLogProb, double RejectedLogProb, double? GammaRms, double? ShiftRms, double ParameterRms, long? LatentsChanged, double GradientNorm);
