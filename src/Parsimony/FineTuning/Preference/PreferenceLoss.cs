using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>Losses that learn from pairs of a chosen and a rejected completion.</summary>
public enum PreferenceLossKind
{
    /// <summary>DPO, with label smoothing cDPO: <see cref="SigmoidLoss"/>.</summary>
    Sigmoid,

    /// <summary><see cref="RobustLoss"/>.</summary>
    Robust,

    /// <summary><see cref="HingeLoss"/>.</summary>
    Hinge,

    /// <summary><see cref="IpoLoss"/>, of averages over tokens.</summary>
    Ipo,

    /// <summary><see cref="SimPoLoss"/>, of averages over tokens and without a reference.</summary>
    SimPo,
}

/// <summary>A loss of the DPO family for a batch of pairs, with what is logged beside it; only the losses with gradient.</summary>
/// <param name="Losses">Of each pair, <c>[batch]</c>; their mean is what is minimised.</param>
/// <param name="ChosenRewards">The implicit reward beta (ln p - ln p_ref) of the chosen completions, <c>[batch]</c>; averaged over tokens where
/// the loss is, without ln p_ref where there is no reference.</param>
/// <param name="RejectedRewards">The same of the rejected ones, <c>[batch]</c>.</param>
public sealed record PreferenceLoss(Tensor Losses, Tensor ChosenRewards, Tensor RejectedRewards) : IDisposable
{
    /// <summary>The losses of a batch.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="chosen">The chosen completions.</param>
    /// <param name="rejected">The rejected ones, in the same order.</param>
    /// <param name="beta">Above 0. Default 0.1; SimPO wants 2 to 10.</param>
    /// <param name="labelSmoothing">Of sigmoid and robust: 0 to below 0.5. Default 0.</param>
    /// <param name="gamma">Of SimPO: the margin asked for, 0 or more. Default 0.</param>
    /// <param name="referenceFree">Leave the reference out of the loss; rewards still hold it where it is given. SimPO always does.</param>
    /// <exception cref="ArgumentException">A number is out of its range, or the reference is missing.</exception>
    public static PreferenceLoss Of(
        PreferenceLossKind kind, CompletionScores chosen, CompletionScores rejected, double beta = 0.1, double labelSmoothing = 0, double gamma = 0,
        bool referenceFree = false)
    {
        if (!(beta > 0)) throw new ArgumentException($"beta is {beta}; it must be above 0.", nameof(beta));
        if (!(labelSmoothing is >= 0 and < 0.5)) throw new ArgumentException(
            $"the label smoothing is {labelSmoothing}; it must be 0 or more and below 0.5.", nameof(labelSmoothing));
        bool free = referenceFree || kind is PreferenceLossKind.SimPo, averaged = kind is PreferenceLossKind.Ipo or PreferenceLossKind.SimPo;
        if (!free && (chosen.Reference is null || rejected.Reference is null)) throw new ArgumentException(
            $"the loss '{kind}' needs log-probabilities under the reference. Give them, or ask for it reference-free.", nameof(chosen));
        using var scope = NewDisposeScope();
        Tensor Scores(CompletionScores of) => (free ? of with { Reference = null } : of).LogRatios(averaged);
        var h = Scores(chosen) - Scores(rejected);                           // [batch]
        var losses = kind switch
        {
            PreferenceLossKind.Sigmoid => SigmoidLoss.Of(h, beta, labelSmoothing),
            PreferenceLossKind.Robust => RobustLoss.Of(h, beta, labelSmoothing),
            PreferenceLossKind.Hinge => HingeLoss.Of(h, beta),
            PreferenceLossKind.Ipo => IpoLoss.Of(h, beta),
            _ => SimPoLoss.Of(h, beta, gamma),
        };
        Tensor Rewards(CompletionScores of) =>
            (beta * (kind is PreferenceLossKind.SimPo ? Scores(of) : of.LogRatios(averaged)).detach()).MoveToOuterDisposeScope();
        return new PreferenceLoss(losses.MoveToOuterDisposeScope(), Rewards(chosen), Rewards(rejected));
    }

    /// <summary>rewards/margins: mean of the chosen less the rejected reward.</summary>
    public double Margin()
    {
        using var scope = NewDisposeScope();
        return (ChosenRewards - RejectedRewards).mean().item<float>();
    }

    /// <summary>rewards/accuracies: share of pairs whose chosen reward is the larger; a tie is none, so it is 0 at the start.</summary>
    public double Accuracy()
    {
        using var scope = NewDisposeScope();
        return ChosenRewards.gt(RejectedRewards).to(ScalarType.Float32).mean().item<float>();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Losses.Dispose();
        ChosenRewards.Dispose();
        RejectedRewards.Dispose();
    }
}
