using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>How the losses of tokens become one number.</summary>
public enum LossAggregation
{
    /// <summary>Mean over responses of each one's mean over tokens: a token of a long response weighs less (Shao et al. 2024, GRPO).</summary>
    Sequence,

    /// <summary>Mean over all tokens (Yu et al. 2025, DAPO).</summary>
    Token,

    /// <summary>Sum over tokens / (responses x longest response allowed), a constant (Liu et al. 2025, Dr. GRPO).</summary>
    ConstantLength,
}

/// <summary>Sums and divisors of <see cref="LossAggregation"/>. They are apart so that an optimiser step may be made of several batches: each
/// one's sum over the divisor of the whole step adds up to the loss of all at once, which a mean of means is not.</summary>
public static class LossAggregations
{
    /// <summary>The numerator of a batch, a scalar.</summary>
    /// <param name="aggregation">How.</param>
    /// <param name="perToken"><c>[batch, seq]</c>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    public static Tensor Sum(this LossAggregation aggregation, Tensor perToken, Tensor mask)
    {
        using var rows = aggregation is LossAggregation.Sequence ? Masked.MeanPerRow(perToken, mask) : Masked.SumPerRow(perToken, mask);
        return rows.sum();
    }

    /// <summary>The denominator of a whole optimiser step.</summary>
    /// <param name="aggregation">How.</param>
    /// <param name="responses">Responses in the step.</param>
    /// <param name="tokens">Their tokens.</param>
    /// <param name="maxTokens">The longest response allowed.</param>
    public static double Divisor(this LossAggregation aggregation, long responses, long tokens, long maxTokens) => Math.Max(1.0, aggregation switch
    {
        LossAggregation.Sequence => responses,
        LossAggregation.Token => tokens,
        _ => (double)responses * maxTokens,
    });
}
