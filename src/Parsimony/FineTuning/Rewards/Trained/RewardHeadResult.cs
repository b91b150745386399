using TorchSharp;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>One latent of an SAE in a reward that is a sum over latents.</summary>
/// <param name="Latent">Its index.</param>
/// <param name="Class">The class whose logit it adds to; null for a reward.</param>
/// <param name="Weight">What one unit of it adds, after the normalisation for a reward, before it for a class.</param>
/// <param name="MeanActivation">Its mean over the training texts, as they are read.</param>
public sealed record RewardLatent(int Latent, string? Class, double Weight, double MeanActivation)
{
    /// <summary>What it adds to a text's reward on average.</summary>
    public double MeanContribution => Weight * MeanActivation;
}

/// <summary>What learning a reward model gave.</summary>
public sealed record RewardHeadResult : IDisposable
{
    /// <summary>The head, on what is read as it is; owned by this object.</summary>
    public required RewardHead Head { get; init; }

    /// <summary>What a reward, or a class' log odds, is multiplied by so that its standard deviation is 1 over the held-out texts (the training texts, where none are held
    /// out); one for each output.</summary>
    public required IReadOnlyList<double> Gain { get; init; }

    /// <summary>What is then added, so that the mean is 0.</summary>
    public required IReadOnlyList<double> Offset { get; init; }

    /// <summary>On what it learnt from.</summary>
    public required RewardScoring Train { get; init; }

    /// <summary>On what is held out; null without any.</summary>
    public required RewardScoring? HeldOut { get; init; }

    /// <summary>Held-out accuracy of a head that learnt verdicts dealt out at random; null where there was no null run or nothing is held out.</summary>
    public required double? NullAccuracy { get; init; }

    /// <summary>Held-out accuracy of a rule that learnt nothing: of pairs that the longer text is the better one, of labels the most frequent; null where nothing is held out.</summary>
    public required double? Baseline { get; init; }

    /// <summary>With an SAE the latents that on average add most to rewards, in either direction, most first; else none.</summary>
    public required IReadOnlyList<RewardLatent> Latents { get; init; }

    /// <summary>Wall-clock seconds in this process.</summary>
    public required double Seconds { get; init; }

    /// <inheritdoc/>
    public void Dispose() => Head.Dispose();
}
