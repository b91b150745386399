using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>Where the score of a whole response goes among its tokens.</summary>
public enum ScorePlacement
{
    /// <summary>On the last token (Ziegler et al. 2019; TRL up to 0.11). The default.</summary>
    LastToken,

    /// <summary>One position after it where the row has room, else on it (TRL from 0.12 on); rewards and values then count under
    /// <see cref="ResponseMask.WithSlotAfter"/>.</summary>
    AfterLastToken,
}

/// <summary>What each sampled token is rewarded with: <c>r_t = -beta kl_t</c>, and the response's score once (Ziegler et al. 2019, section
/// 2.2). Rewards of single tokens are added to either.</summary>
public static class TokenRewards
{
    /// <summary>The penalty, <c>-beta kl_t</c>; 0 outside the mask.</summary>
    /// <param name="kl">Nats, <c>[batch, seq]</c>; see <see cref="KlPenalty"/>.</param>
    /// <param name="klCoefficient">beta, 0 or more.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>.</param>
    public static Tensor Penalty(Tensor kl, double klCoefficient, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return (Masked.Keep(kl.detach(), mask) * -klCoefficient).MoveToOuterDisposeScope();
    }

    /// <summary>Rewards with each row's score added at one position.</summary>
    /// <param name="rewards"><c>[batch, seq]</c>; unchanged.</param>
    /// <param name="scores"><c>[batch]</c>.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>: the response's tokens.</param>
    /// <param name="placement">Where. Default on the last token.</param>
    /// <exception cref="ArgumentException">A row has no token.</exception>
    public static Tensor WithScores(Tensor rewards, Tensor scores, Tensor mask, ScorePlacement placement = ScorePlacement.LastToken)
    {
        using var scope = NewDisposeScope();
        var last = ResponseMask.LastIndex(mask);                             // [batch]
        if (last.lt(0).any().item<bool>()) throw new ArgumentException(
            "a row of the mask has no token to place its score on; a response has 1 token or more, its end of text included.", nameof(mask));
        if (placement is ScorePlacement.AfterLastToken) last = (last + 1).clamp_max(mask.size(1) - 1);
        return rewards.scatter_add(1, last.unsqueeze(1), scores.to(rewards.dtype).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Scores less a penalty for each response that does not end by itself, that is, holds no end of text.</summary>
    /// <param name="scores"><c>[batch]</c>; unchanged.</param>
    /// <param name="responses">Token ids, <c>[batch, seq]</c>, Int64.</param>
    /// <param name="mask">Bool, <c>[batch, seq]</c>: the response's tokens, for padding may have the same id.</param>
    /// <param name="endOfText">The token that ends a response.</param>
    /// <param name="penalty">0 or more; TRL's examples take 1.</param>
    public static Tensor LessMissingEnd(Tensor scores, Tensor responses, Tensor mask, long endOfText, double penalty)
    {
        using var scope = NewDisposeScope();
        var unended = responses.eq(endOfText).logical_and(mask).any(1).logical_not();
        return (scores - penalty * unended.to(scores.dtype)).MoveToOuterDisposeScope();
    }
}
