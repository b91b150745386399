namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>How far a reward model has come: one line of its metrics.jsonl, under these names in snake case. All but the held-out figures are over the steps since the
/// line before, as the updates saw them.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps of the whole run.</param>
/// <param name="Epoch">How often the data has been gone through.</param>
/// <param name="TextsPerSecond">Texts per second since this process began to learn.</param>
/// <param name="Loss">Nats per pair or text, centring included.</param>
/// <param name="Accuracy">Share of pairs whose better text was worth more (half of those worth the same), or of texts whose class had the largest logit.</param>
/// <param name="Margin">Mean of r_better - r_worse, or of the true class' logit less the largest other.</param>
/// <param name="MeanReward">Mean reward over both texts of the pairs; null for classes.</param>
/// <param name="MinReward">The smallest; null for classes.</param>
/// <param name="MaxReward">The largest; null for classes.</param>
/// <param name="HeldOutLoss">Loss on what is held out, measured at the end of each epoch; else null.</param>
/// <param name="HeldOutAccuracy">Accuracy likewise.</param>
public sealed record RewardHeadProgress(
    long Step, long Steps, double Epoch, double TextsPerSecond, double Loss, double Accuracy, double Margin, double? MeanReward, double? MinReward, double? MaxReward,
    double? HeldOutLoss, double? HeldOutAccuracy);
