using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>PPO's value loss with what is logged beside it; scalars, all over the true positions of the mask, only the loss with gradient.</summary>
/// <param name="Loss"><c>0.5 mean max((V - R)^2, (V_clip - R)^2)</c>, V_clip = V kept within eps of V_old (Schulman et al.'s PPO code; Huang et
/// al. 2024).</param>
/// <param name="ClipFraction">Share of positions at which the clipped error is the larger.</param>
/// <param name="Error">Mean of <c>(V - R)^2</c>.</param>
/// <param name="ExplainedVariance"><c>1 - var(R - V) / var(R)</c>: 1 is perfect, 0 as good as a constant; not finite where the returns do not vary.</param>
public sealed record ValueLoss(Tensor Loss, Tensor ClipFraction, Tensor Error, Tensor ExplainedVariance) : IDisposable
{
    /// <summary>The loss of a minibatch.</summary>
    /// <param name="values">V as the head predicts it now, <c>[batch, seq]</c>, with gradient.</param>
    /// <param name="oldValues">V_old, as it was predicted when the tokens were sampled, <c>[batch, seq]</c>.</param>
    /// <param name="returns">R, <c>[batch, seq]</c>; see <see cref="Gae"/>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    /// <param name="clipRange">eps, 0 or more, in units of the reward. Default 0.2.</param>
    public static ValueLoss Of(Tensor values, Tensor oldValues, Tensor returns, Tensor mask, double clipRange = 0.2)
    {
        if (!(clipRange >= 0)) throw new ArgumentException($"the clip range is {clipRange}; it must be 0 or more.", nameof(clipRange));
        using var scope = NewDisposeScope();
        var (v, old, target) = (Masked.Keep(values, mask), Masked.Keep(oldValues.detach(), mask), Masked.Keep(returns.detach(), mask));
        var kept = maximum(minimum(v, old + clipRange), old - clipRange);
        var (free, bound) = ((v - target).square(), (kept - target).square());
        Tensor Mean(Tensor x) => Masked.Mean(x, mask).MoveToOuterDisposeScope();
        var unexplained = Masked.Variance(target - v.detach(), mask) / Masked.Variance(target, mask);
        return new ValueLoss(
            Mean(0.5 * maximum(free, bound)), Mean(bound.gt(free).to(ScalarType.Float32)), Mean(free.detach()),
            (1 - unexplained).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Loss, ClipFraction, Error, ExplainedVariance]) t.Dispose();
    }
}
