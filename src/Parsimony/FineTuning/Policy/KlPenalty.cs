using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>How far the policy is from the reference at a token, in nats. With l = ln p - ln p_ref of the sampled token:</summary>
public enum KlPenaltyKind
{
    /// <summary><c>l</c>, unbiased; in the reward its policy gradient is that of the sequence's KL. TRL's "kl", the default.</summary>
    K1,

    /// <summary><c>|l|</c>. TRL's "abs".</summary>
    Abs,

    /// <summary><c>l^2 / 2</c>, also called k2. TRL's "mse".</summary>
    Mse,

    /// <summary><c>exp(-l) - 1 + l</c>, never below 0.</summary>
    K3,

    /// <summary>The exact KL over the whole vocabulary, <c>sum_v p (ln p - ln p_ref)</c>; needs both logits.</summary>
    Full,
}

/// <summary>
/// The KL divergence from policy to reference, token by token (Schulman 2020, "Approximating KL divergence", for k1, k2 and k3; Ziegler et
/// al. 2019, section 2.2, for k1 as a penalty on the reward).
/// </summary>
public static class KlPenalty
{
    /// <summary>An estimate from the sampled tokens alone.</summary>
    /// <param name="kind">Any but <see cref="KlPenaltyKind.Full"/>.</param>
    /// <param name="logProbs">ln p, <c>[batch, seq]</c>; its gradient flows through.</param>
    /// <param name="referenceLogProbs">ln p_ref, <c>[batch, seq]</c>.</param>
    /// <returns><c>[batch, seq]</c>, nats.</returns>
    /// <exception cref="ArgumentException">The kind is <see cref="KlPenaltyKind.Full"/>.</exception>
    public static Tensor PerToken(KlPenaltyKind kind, Tensor logProbs, Tensor referenceLogProbs)
    {
        using var scope = NewDisposeScope();
        var l = logProbs - referenceLogProbs;
        var kl = kind switch
        {
            KlPenaltyKind.K1 => l,
            KlPenaltyKind.Abs => l.abs(),
            KlPenaltyKind.Mse => 0.5 * l.square(),
            KlPenaltyKind.K3 => l.neg().expm1() + l,
            _ => throw new ArgumentException($"the KL penalty '{kind}' cannot be had from single tokens; allowed: K1, Abs, Mse, K3. "
                + "Call KlPenalty.Full with both logits.", nameof(kind)),
        };
        return kl.MoveToOuterDisposeScope();
    }

    /// <summary>The exact KL at each position.</summary>
    /// <param name="logits">The policy's, <c>[.., d_vocab]</c>; their gradient flows through.</param>
    /// <param name="referenceLogits">The reference's, <c>[.., d_vocab]</c>.</param>
    /// <param name="temperature">Above 0; divides both. Default 1.</param>
    /// <returns><c>[..]</c>, nats, 0 or more.</returns>
    public static Tensor Full(Tensor logits, Tensor referenceLogits, double temperature = 1)
    {
        using var scope = NewDisposeScope();
        return OfNormalised(TokenLogProbs.Normalised(logits, temperature), TokenLogProbs.Normalised(referenceLogits, temperature)).MoveToOuterDisposeScope();
    }

    /// <summary>The same from log-probabilities, <c>[.., d_vocab]</c>.</summary>
    internal static Tensor OfNormalised(Tensor logP, Tensor logReference)
    {
        using var scope = NewDisposeScope();
        var ratio = (logP - logReference).masked_fill(logP.isneginf(), 0);   // a token taken out of the vocabulary counts for nothing
        return (logP.exp() * ratio).sum(-1).MoveToOuterDisposeScope();
    }
}
