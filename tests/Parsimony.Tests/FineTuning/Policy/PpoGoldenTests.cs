using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>fixtures/rl/ppo: TRL 0.11.4's PPO, the score on the last token.</summary>
public sealed class PpoGoldenTests : IDisposable
{
    private readonly Golden golden = Golden.Open("rl/ppo");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor mask;
    private readonly Tensor responses;

    public PpoGoldenTests() => (mask, responses) = (golden["mask"].to(ScalarType.Bool), golden["responses"]);

    [Theory]
    [InlineData("kl_k1", KlPenaltyKind.K1)]
    [InlineData("kl_abs", KlPenaltyKind.Abs)]
    [InlineData("kl_mse", KlPenaltyKind.Mse)]
    [InlineData("kl_k3", KlPenaltyKind.K3)]
    public void Log_probabilities_and_kl_estimates_are_the_peers(string name, KlPenaltyKind kind)
    {
        var logP = TokenLogProbs.Of(golden["logits_old"], responses);
        var logReference = TokenLogProbs.Of(golden["logits_ref"], responses);
        golden.AssertClose("out.old_logprobs", logP);
        golden.AssertClose("out.ref_logprobs", logReference);
        golden.AssertClose("out." + name, KlPenalty.PerToken(kind, logP, logReference));
    }

    [Fact]
    public void The_exact_kl_is_the_peers() => golden.AssertClose("out.kl_full", KlPenalty.Full(golden["logits_old"], golden["logits_ref"]));

    [Fact]
    public void Rewards_advantages_and_returns_are_the_peers()
    {
        var (penalty, rewards) = Rewards();
        Under("out.non_score_rewards", penalty);
        Under("out.rewards", rewards);
        using var gae = Gae.Of(rewards, golden["values"], mask, gamma: 1, lambda: 0.95);
        golden.AssertClose("out.masked_values", Masked.Keep(golden["values"], mask));
        Under("out.advantages_raw", gae.Advantages);
        Under("out.returns", gae.Returns);
        Under("out.advantages_whitened", Whitening.Of(gae.Advantages, mask));
    }

    [Fact]
    public void Losses_gradients_and_statistics_are_the_peers()
    {
        Tensor logits = golden["logits_new"].requires_grad_(), values = golden["vpreds"].requires_grad_();
        var logP = TokenLogProbs.Of(logits, responses);
        golden.AssertClose("out.new_logprobs", logP);
        using var gae = Gae.Of(Rewards().Rewards, golden["values"], mask);
        var advantages = Whitening.Of(gae.Advantages, mask);
        using var policy = PolicyLoss.Of(logP, golden["out.old_logprobs"], advantages, mask);
        using var value = ValueLoss.Of(values, golden["values"], gae.Returns, mask);
        golden.AssertClose("out.pg_loss", policy.Loss);
        golden.AssertClose("out.vf_loss_times_coef", 0.1 * value.Loss);

        var total = policy.Loss + 0.1 * value.Loss;
        var gradients = autograd.grad([total], [logits, values]);
        golden.AssertClose("out.grad_logits", gradients[0], 3e-5);
        golden.AssertClose("out.grad_vpreds", gradients[1], 3e-5);

        golden.AssertClose("out.stat.loss/policy", policy.Loss);
        golden.AssertClose("out.stat.loss/value", value.Loss);
        golden.AssertClose("out.stat.loss/total", total);
        golden.AssertClose("out.stat.policy/entropy", Masked.Mean(TokenLogProbs.Entropy(logits), mask));
        golden.AssertClose("out.stat.policy/approxkl", policy.ApproximateKl);
        golden.AssertClose("out.stat.policy/policykl", policy.PolicyKl);
        golden.AssertClose("out.stat.policy/clipfrac", policy.ClipFraction);
        Assert.Equal(0, Masked.Mean(advantages, mask).item<float>(), 1e-7);
        golden.AssertClose("out.stat.returns/mean", Masked.Mean(gae.Returns, mask));
        golden.AssertClose("out.stat.returns/var", Masked.Variance(gae.Returns, mask));
        golden.AssertClose("out.stat.val/vpred", Masked.Mean(values, mask));
        golden.AssertClose("out.stat.val/error", value.Error);
        golden.AssertClose("out.stat.val/clipfrac", value.ClipFraction);
        golden.AssertClose("out.stat.val/mean", Masked.Mean(golden["values"], mask));
        golden.AssertClose("out.stat.val/var", Masked.Variance(golden["values"], mask));
    }

    // The peer whitens masked rewards and leaves at padding what becomes of 0 there, which its GAE then sums as if it were reward. With
    // that put back ours gives its numbers; without it padding earns nothing.
    [Fact]
    public void With_rewards_whitened_the_numbers_are_the_peers_but_for_what_its_padding_earns()
    {
        var rewards = Rewards().Rewards;
        var whitened = Whitening.Of(rewards, mask, shiftMean: false);
        Under("out_whiten_rewards.rewards", rewards);                          // as they were before
        var mean = Masked.Mean(rewards, mask);
        var ofNothing = mean - mean * (Masked.Variance(rewards, mask) + 1e-8).rsqrt();
        var everything = ones_like(mask);
        using var peers = Gae.Of(where(mask, whitened, ofNothing), Masked.Keep(golden["values"], mask), everything);
        Under("out_whiten_rewards.returns", peers.Returns);
        var advantages = Whitening.Of(peers.Advantages, mask);
        Under("out_whiten_rewards.advantages_whitened", advantages);
        golden.AssertClose("out_whiten_rewards.pg_loss",
            PolicyLoss.Of(golden["out.new_logprobs"], golden["out.old_logprobs"], advantages, mask).Loss);
        golden.AssertClose("out_whiten_rewards.vf_loss_times_coef",
            0.1 * ValueLoss.Of(golden["vpreds"], golden["values"], peers.Returns, mask).Loss);

        using var ours = Gae.Of(whitened, golden["values"], mask);
        var last = ResponseMask.LastIndex(mask).unsqueeze(1);
        Assert.True((ours.Returns.gather(1, last) - whitened.gather(1, last)).abs().max().item<float>() < 1e-6);
    }

    [Fact]
    public void Whitening_without_a_mask_is_the_peers()
    {
        var x = golden["whiten.in"];
        golden.AssertClose("whiten.out", Whitening.Of(x, ones_like(x, ScalarType.Bool)));
        golden.AssertClose("whiten.out_no_shift", Whitening.Of(x, ones_like(x, ScalarType.Bool), shiftMean: false));
    }

    private (Tensor Penalty, Tensor Rewards) Rewards()
    {
        var kl = KlPenalty.PerToken(KlPenaltyKind.K1, golden["out.old_logprobs"], golden["out.ref_logprobs"]);
        var penalty = TokenRewards.Penalty(kl, 0.2, mask);
        return (penalty, TokenRewards.WithScores(penalty, golden["scores"], mask));
    }

    // What the peer leaves at padding means nothing: compared under the mask.
    private void Under(string name, Tensor mine) => golden.AssertCloseUnder(mask, name, mine);

    public void Dispose()
    {
        scope.Dispose();
        golden.Dispose();
    }
}
