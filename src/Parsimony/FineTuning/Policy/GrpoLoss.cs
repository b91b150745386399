using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// GRPO's loss with what is logged beside it; scalars, only the loss with gradient. Of a token it is
/// <c>max(-A ratio, -A clip(ratio, 1 - low, 1 + high)) + beta k3</c> (Shao et al. 2024, equations 3 and 4).
/// </summary>
/// <param name="Loss">The sum over the batch / the divisor. On the first pass over centred advantages its value is 0 or nearly so; its gradient is not.</param>
/// <param name="MeanKl">Mean over responses of their mean k3 to the reference, nats per token; 0 without one.</param>
/// <param name="ClipFractionLow">Share of tokens held at 1 - low, where A is below 0.</param>
/// <param name="ClipFractionHigh">Share of tokens held at 1 + high, where A is above 0.</param>
public sealed record GrpoLoss(Tensor Loss, Tensor MeanKl, Tensor ClipFractionLow, Tensor ClipFractionHigh) : IDisposable
{
    /// <summary>The loss of a batch.</summary>
    /// <param name="logProbs">ln p of the sampled tokens under the policy as it is, <c>[batch, seq]</c>, with gradient.</param>
    /// <param name="oldLogProbs">The same under the policy that sampled them, <c>[batch, seq]</c>; on the first pass
    /// <paramref name="logProbs"/> itself.</param>
    /// <param name="advantages">One a response, <c>[batch]</c>; see <see cref="GroupAdvantages"/>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="aggregation">How tokens are weighed.</param>
    /// <param name="divisor">See <see cref="LossAggregations.Divisor"/>, above 0.</param>
    /// <param name="clipLow">0 or more and below 1. Default 0.2.</param>
    /// <param name="clipHigh">0 or more; DAPO takes 0.28. Default 0.2.</param>
    /// <param name="klCoefficient">beta, 0 or more. Default 0: no reference needed.</param>
    /// <param name="referenceLogProbs">The same under the reference, <c>[batch, seq]</c>; null without one.</param>
    /// <exception cref="ArgumentException">beta is above 0 without a reference, or a number is out of its range.</exception>
    public static GrpoLoss Of(
        Tensor logProbs, Tensor oldLogProbs, Tensor advantages, Tensor mask, LossAggregation aggregation, double divisor,
        double clipLow = 0.2, double clipHigh = 0.2, double klCoefficient = 0, Tensor? referenceLogProbs = null)
    {
        if (klCoefficient != 0 && referenceLogProbs is null) throw new ArgumentException(
            $"the KL coefficient is {klCoefficient}, but there are no log-probabilities of the reference. Give them, or a coefficient of 0.",
            nameof(referenceLogProbs));
        if (!(divisor > 0)) throw new ArgumentException($"the divisor is {divisor}; it must be above 0.", nameof(divisor));
        using var scope = NewDisposeScope();
        var logP = Masked.Keep(logProbs, mask);
        var a = Masked.Keep(advantages.detach().unsqueeze(1).expand_as(logP), mask);
        var surrogate = ClippedSurrogate.Of(logP - Masked.Keep(oldLogProbs.detach(), mask), a, clipLow, clipHigh);
        var kl = referenceLogProbs is null ? zeros_like(a)
            : KlPenalty.PerToken(KlPenaltyKind.K3, logP, Masked.Keep(referenceLogProbs.detach(), mask));
        var perToken = klCoefficient == 0 ? surrogate.Loss : surrogate.Loss + klCoefficient * kl;
        Tensor ShareOf(Tensor side) => Masked.Mean(surrogate.Clipped.logical_and(side).to(ScalarType.Float32), mask).MoveToOuterDisposeScope();
        return new GrpoLoss(
            (aggregation.Sum(perToken, mask) / divisor).MoveToOuterDisposeScope(),
            Masked.MeanPerRow(kl.detach(), mask).mean().MoveToOuterDisposeScope(), ShareOf(a.lt(0)), ShareOf(a.gt(0)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Loss, MeanKl, ClipFractionLow, ClipFractionHigh]) t.Dispose();
    }
}
