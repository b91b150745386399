using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>What a reward model minimises.</summary>
public static class RewardLoss
{
    /// <summary><c>mean( -ln sigma(r_w - r_l - margin) + c (r_w + r_l)^2 )</c>: Bradley and Terry's model of a choice (Ouyang et al. 2022, equation 1), with a margin (Touvron
    /// et al. 2023, section 3.2.2) and a term that fixes what the choice leaves open, the mean (Eisenstein et al. 2023).</summary>
    /// <param name="better">r_w, <c>[batch]</c>.</param>
    /// <param name="worse">r_l, <c>[batch]</c>.</param>
    /// <param name="margin">Default 0.</param>
    /// <param name="centring">c, 0 or more. Default 0.</param>
    /// <returns>A scalar, nats per pair; ln 2 where all rewards are 0 and the margin is 0.</returns>
    public static Tensor Pairwise(Tensor better, Tensor worse, double margin = 0, double centring = 0)
    {
        using var scope = NewDisposeScope();
        var losses = logsigmoid(better - worse - margin).neg();
        if (centring != 0) losses = losses + centring * (better + worse).square();
        return losses.mean().MoveToOuterDisposeScope();
    }

    /// <summary>Cross-entropy: <c>mean( -ln softmax(z)[label] )</c>.</summary>
    /// <param name="logits">z, <c>[batch, classes]</c>.</param>
    /// <param name="labels">Indices, <c>[batch]</c>, int64.</param>
    /// <returns>A scalar, nats per text; ln(classes) where all logits are equal.</returns>
    public static Tensor Classes(Tensor logits, Tensor labels) => cross_entropy(logits, labels);
}
