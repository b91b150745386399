using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>fixtures/rl/ppo_v2: TRL 0.15.1's PPO, the score one position after the last token, values counted to there.</summary>
public sealed class PpoV2GoldenTests : IDisposable
{
    private readonly Golden golden = Golden.Open("rl/ppo_v2");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor mask, withSlot;

    public PpoV2GoldenTests()
    {
        mask = ResponseMask.Of(golden["sequence_lengths"] + 1, 12); // the peer's lengths are indices of last tokens
        withSlot = ResponseMask.WithSlotAfter(mask);
    }

    [Fact]
    public void The_masks_are_the_peers()
    {
        Assert.True(mask.logical_not().SameBits(golden["out.padding_mask"]));
        Assert.True(withSlot.logical_not().SameBits(golden["out.padding_mask_p1"]));
        Assert.Equal(golden["sequence_lengths"].Longs(), ResponseMask.LastIndex(mask).Longs());
    }

    [Fact]
    public void Rewards_advantages_and_returns_are_the_peers()
    {
        var rewards = Rewards();
        golden.AssertClose("out.rewards", rewards);
        using var gae = Gae.Of(rewards, golden["values"], withSlot);
        golden.AssertCloseUnder(withSlot, "out.returns", gae.Returns);
        golden.AssertClose("out.advantages", Whitening.Of(gae.Advantages, mask));
    }

    [Fact]
    public void Losses_gradients_and_statistics_are_the_peers()
    {
        Tensor logits = golden["logits_new"].requires_grad_(), values = golden["vpreds"].requires_grad_();
        using var gae = Gae.Of(Rewards(), golden["values"], withSlot);
        using var policy = PolicyLoss.Of(
            TokenLogProbs.Of(logits, golden["responses"]), golden["old_logprobs"], Whitening.Of(gae.Advantages, mask), mask);
        using var value = ValueLoss.Of(values, golden["values"], gae.Returns, withSlot);
        golden.AssertClose("out.pg_loss", policy.Loss);
        golden.AssertClose("out.vf_loss", value.Loss);
        golden.AssertClose("out.vf_clipfrac", value.ClipFraction);
        var total = policy.Loss + 0.1 * value.Loss;
        golden.AssertClose("out.loss", total);
        var gradients = autograd.grad([total], [logits, values]);
        golden.AssertClose("out.grad_logits", gradients[0], 3e-5);
        golden.AssertClose("out.grad_vpreds", gradients[1], 3e-5);
        golden.AssertClose("out.entropy_per_token", TokenLogProbs.Entropy(logits));
        // The peer's mean counts padding as tokens that did not change.
        var tokens = mask.to(ScalarType.Float32).mean();
        golden.AssertClose("out.approxkl", policy.ApproximateKl * tokens);
    }

    private Tensor Rewards()
    {
        var kl = KlPenalty.PerToken(KlPenaltyKind.K1, golden["old_logprobs"], golden["ref_logprobs"]);
        return TokenRewards.WithScores(TokenRewards.Penalty(kl, 0.05, mask), golden["scores"], mask, ScorePlacement.AfterLastToken);
    }

    public void Dispose()
    {
        scope.Dispose();
        golden.Dispose();
    }
}
