using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>RLOO's loss with what is logged beside it; scalars, only the loss with gradient. A response is one action: its ratio is that of the
/// products of its tokens' probabilities (Ahmadian et al. 2024, section 3.3).</summary>
/// <param name="Loss">Mean over responses of <c>max(-A ratio, -A clip(ratio, 1 - eps, 1 + eps))</c>; on policy its gradient is REINFORCE's.</param>
/// <param name="ClipFraction">Share of responses at which the bound is what counts.</param>
/// <param name="RatioMean">Mean ratio over the responses.</param>
public sealed record RlooLoss(Tensor Loss, Tensor ClipFraction, Tensor RatioMean) : IDisposable
{
    /// <summary>The loss of a batch.</summary>
    /// <param name="logProbs">ln p of the sampled tokens under the policy as it is, <c>[batch, seq]</c>, with gradient.</param>
    /// <param name="oldLogProbs">The same under the policy that sampled them, <c>[batch, seq]</c>.</param>
    /// <param name="advantages">One a response, <c>[batch]</c>; see <see cref="GroupAdvantages.LeaveOneOut"/>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="clipRange">eps, 0 or more and below 1. Default 0.2.</param>
    public static RlooLoss Of(Tensor logProbs, Tensor oldLogProbs, Tensor advantages, Tensor mask, double clipRange = 0.2)
    {
        using var scope = NewDisposeScope();
        var logRatio = Masked.SumPerRow(logProbs - oldLogProbs.detach(), mask); // [batch]
        var surrogate = ClippedSurrogate.Of(logRatio, advantages.detach(), clipRange, clipRange);
        return new RlooLoss(
            surrogate.Loss.mean().MoveToOuterDisposeScope(), surrogate.Clipped.to(ScalarType.Float32).mean().MoveToOuterDisposeScope(),
            surrogate.Ratio.mean().MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Loss, ClipFraction, RatioMean]) t.Dispose();
    }
}
