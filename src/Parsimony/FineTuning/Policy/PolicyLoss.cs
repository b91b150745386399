using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>PPO's policy loss with what is logged beside it; scalars, all over the true positions of the mask, only the loss with gradient.</summary>
/// <param name="Loss">Mean of <c>max(-A ratio, -A clip(ratio, 1 - eps, 1 + eps))</c>, ratio = p / p_old (Schulman et al. 2017, equation 7).</param>
/// <param name="ClipFraction">Share of tokens at which the bound is what counts.</param>
/// <param name="ApproximateKl">Mean of <c>(ln p - ln p_old)^2 / 2</c>.</param>
/// <param name="PolicyKl">Mean of <c>ln p_old - ln p</c>.</param>
/// <param name="RatioMean">Mean ratio; far from 1 the samples are no longer the policy's own.</param>
/// <param name="RatioVariance">Variance of the ratio, with n - 1.</param>
public sealed record PolicyLoss(Tensor Loss, Tensor ClipFraction, Tensor ApproximateKl, Tensor PolicyKl, Tensor RatioMean, Tensor RatioVariance)
    : IDisposable
{
    /// <summary>The loss of a minibatch.</summary>
    /// <param name="logProbs">ln p of the sampled tokens under the policy as it is, <c>[batch, seq]</c>, with gradient.</param>
    /// <param name="oldLogProbs">The same under the policy that sampled them, <c>[batch, seq]</c>.</param>
    /// <param name="advantages"><c>[batch, seq]</c>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="clipRange">eps, 0 or more and below 1. Default 0.2.</param>
    public static PolicyLoss Of(Tensor logProbs, Tensor oldLogProbs, Tensor advantages, Tensor mask, double clipRange = 0.2)
    {
        using var scope = NewDisposeScope();
        var logRatio = Masked.Keep(logProbs - oldLogProbs.detach(), mask);
        var surrogate = ClippedSurrogate.Of(logRatio, Masked.Keep(advantages.detach(), mask), clipRange, clipRange);
        var change = logRatio.detach();
        Tensor Mean(Tensor x) => Masked.Mean(x, mask).MoveToOuterDisposeScope();
        return new PolicyLoss(
            Mean(surrogate.Loss), Mean(surrogate.Clipped.to(ScalarType.Float32)), Mean(0.5 * change.square()), Mean(change.neg()),
            Mean(surrogate.Ratio), Masked.Variance(surrogate.Ratio, mask).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Loss, ClipFraction, ApproximateKl, PolicyKl, RatioMean, RatioVariance]) t.Dispose();
    }
}
