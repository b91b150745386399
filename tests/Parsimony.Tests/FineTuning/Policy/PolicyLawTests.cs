using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

/// <summary>What must hold of the losses of PPO, GRPO and RLOO whatever the numbers.</summary>
public sealed class PolicyLawTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor logP = (Drawn.Normal(1, 4, 6) - 3).requires_grad_();
    private readonly Tensor old = Drawn.Normal(1, 4, 6) - 3 + 0.3 * Drawn.Normal(2, 4, 6);
    private readonly Tensor advantages = Drawn.Normal(3, 4, 6);
    private readonly Tensor perResponse = Drawn.Normal(4, 4);
    private readonly Tensor mask = ResponseMask.Of(tensor(new long[] { 6, 2, 5, 1 }), 6);

    [Fact]
    public void On_policy_the_ratio_is_1_the_kl_0_and_the_gradient_reinforces()
    {
        using var loss = PolicyLoss.Of(logP, logP, advantages, mask);
        Assert.Equal((1f, 0f, 0f, 0f, 0f), (loss.RatioMean.item<float>(), loss.RatioVariance.item<float>(), loss.ApproximateKl.item<float>(),
            loss.PolicyKl.item<float>(), loss.ClipFraction.item<float>()));
        foreach (var kind in (KlPenaltyKind[])[KlPenaltyKind.K1, KlPenaltyKind.Abs, KlPenaltyKind.Mse, KlPenaltyKind.K3])
            Assert.Equal(0f, KlPenalty.PerToken(kind, logP, logP).abs().max().item<float>());
        Assert.Equal(0f, KlPenalty.Full(old, old).abs().max().item<float>());
        var reinforce = Masked.Mean(-advantages * logP, mask);
        Assert.True((Gradient(loss.Loss) - Gradient(reinforce)).abs().max().item<float>() < 1e-7);

        using var rloo = RlooLoss.Of(logP, logP, perResponse, mask);
        var whole = (-perResponse * Masked.SumPerRow(logP, mask)).mean();
        Assert.Equal(1f, rloo.RatioMean.item<float>());
        Assert.True((Gradient(rloo.Loss) - Gradient(whole)).abs().max().item<float>() < 1e-7);
    }

    [Fact]
    public void The_kl_estimates_agree_with_the_exact_kl_on_average()
    {
        var (policy, reference) = (Drawn.Normal(5, 1, 7).to(ScalarType.Float64), Drawn.Normal(6, 1, 7).to(ScalarType.Float64));
        var p = policy.softmax(-1);
        double exact = KlPenalty.Full(policy, reference).item<float>();
        foreach (var kind in (KlPenaltyKind[])[KlPenaltyKind.K1, KlPenaltyKind.K3])
            Assert.Equal(exact, (p * KlPenalty.PerToken(kind, policy.log_softmax(-1), reference.log_softmax(-1))).sum().item<double>(), 1e-6);
        Assert.StartsWith("the KL penalty 'Full' cannot be had from single tokens;", Assert.Throws<ArgumentException>(
            () => KlPenalty.PerToken(KlPenaltyKind.Full, policy, reference)).Message, StringComparison.Ordinal);
        var without = tensor(new[] { 0f, 1f, float.NegativeInfinity });
        Assert.Equal(0f, KlPenalty.Full(without, without).item<float>());
    }

    [Fact]
    public void What_lies_under_the_padding_changes_neither_a_number_nor_a_gradient()
    {
        var outside = mask.logical_not();
        var dirty = logP.detach().masked_fill(outside, float.NaN).requires_grad_();
        Tensor Dirty(Tensor x) => x.masked_fill(outside, float.PositiveInfinity);
        void Same(Tensor clean, Tensor padded)
        {
            Assert.True(clean.SameBits(padded));
            Assert.True(Gradient(clean).SameBits(autograd.grad([padded], [dirty])[0]));
        }
        Same(PolicyLoss.Of(logP, old, advantages, mask).Loss, PolicyLoss.Of(dirty, Dirty(old), Dirty(advantages), mask).Loss);
        Same(RlooLoss.Of(logP, old, perResponse, mask).Loss, RlooLoss.Of(dirty, Dirty(old), perResponse, mask).Loss);
        Same(Grpo(logP, old, mask).Loss, Grpo(dirty, Dirty(old), mask).Loss);
        Same(ValueLoss.Of(logP, old, advantages, mask).Loss, ValueLoss.Of(dirty, Dirty(old), Dirty(advantages), mask).Loss);
    }

    [Theory]
    [InlineData(LossAggregation.Sequence)]
    [InlineData(LossAggregation.Token)]
    [InlineData(LossAggregation.ConstantLength)]
    public void Parts_of_a_step_add_up_to_the_whole(LossAggregation aggregation)
    {
        var whole = Grpo(logP, old, mask, aggregation).Loss;
        var sum = zeros(1).squeeze();
        foreach (var (from, count) in ((int, int)[])[(0, 1), (1, 3)])
        {
            Tensor Part(Tensor x) => x.narrow(0, from, count);
            sum = sum + GrpoLoss.Of(Part(logP), Part(old), Part(perResponse), Part(mask), aggregation, aggregation.Divisor(4, 14, 6),
                klCoefficient: 0.1, referenceLogProbs: Part(old) - 0.2).Loss;
        }
        Assert.Equal(whole.item<float>(), sum.item<float>(), 1e-6);
        Assert.True((Gradient(whole) - Gradient(sum)).abs().max().item<float>() < 1e-7);
    }

    [Fact]
    public void Aggregations_weigh_tokens_as_they_say()
    {
        var perToken = tensor(new[,] { { 1f, 2f, 3f }, { 8f, 100f, 100f } });
        var here = tensor(new[,] { { true, true, true }, { true, false, false } });
        double Of(LossAggregation a) => a.Sum(perToken, here).item<float>() / a.Divisor(2, 4, 5);
        Assert.Equal((5, 3.5, 1.4), (Of(LossAggregation.Sequence), Of(LossAggregation.Token), Math.Round(Of(LossAggregation.ConstantLength), 6)));
    }

    [Fact]
    public void Beyond_the_clip_range_there_is_no_gradient_the_better_way_and_full_gradient_the_worse_way()
    {
        var far = tensor(new[,] { { 0.5f, 0.5f, -0.5f, -0.5f } }).requires_grad_(); // log-ratios: 1.65 and 0.61
        var a = tensor(new[,] { { 1f, -1f, 1f, -1f } });
        var all = ones_like(a, ScalarType.Bool);
        using var loss = PolicyLoss.Of(far, zeros_like(far), a, all, clipRange: 0.2);
        Assert.Equal([0, 0.41218f, -0.15163f, 0], autograd.grad([loss.Loss], [far])[0].Floats().Select(g => MathF.Round(g, 5)));
        Assert.Equal(0.5f, loss.ClipFraction.item<float>());
        var b = tensor(new[] { 1f });
        using var high = GrpoLoss.Of(tensor(new[,] { { 0.5f } }), zeros(1, 1), b, ones(1, 1, ScalarType.Bool), LossAggregation.Token, 1, clipHigh: 0.28);
        Assert.Equal((-1.28f, 1f, 0f), (high.Loss.item<float>(), high.ClipFractionHigh.item<float>(), high.ClipFractionLow.item<float>()));
        Assert.Throws<ArgumentException>(() => PolicyLoss.Of(far, far, a, all, clipRange: 1));
        Assert.Throws<ArgumentException>(() => GrpoLoss.Of(far, far, b, all, LossAggregation.Token, 1, klCoefficient: 0.1));
    }

    [Fact]
    public void Value_loss_takes_the_larger_error_and_explains_variance()
    {
        var all = ones(1, 3, ScalarType.Bool);
        var returns = tensor(new[,] { { 1f, 2f, 6f } });
        using var perfect = ValueLoss.Of(returns, returns, returns, all);
        using var constant = ValueLoss.Of(zeros(1, 3), zeros(1, 3), returns, all);
        Assert.Equal((0f, 1f, 0f), (perfect.Loss.item<float>(), perfect.ExplainedVariance.item<float>(), constant.ExplainedVariance.item<float>()));
        // Moved from 0 to 1 by a range of 0.2: the clipped value 0.2 is further from 1, 2 and 6 than 1 is.
        using var clipped = ValueLoss.Of(ones(1, 3), zeros(1, 3), returns, all, clipRange: 0.2);
        Assert.Equal((0.64 + 3.24 + 33.64) / 6, clipped.Loss.item<float>(), 1e-5);
        Assert.Equal((26f / 3, 1f), (clipped.Error.item<float>(), clipped.ClipFraction.item<float>()));
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        var reference = old - 0.2;
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (PolicyLoss.Of(logP, old, advantages, mask)) { }
        using (ValueLoss.Of(logP, old, advantages, mask)) { }
        using (RlooLoss.Of(logP, old, perResponse, mask)) { }
        using (GrpoLoss.Of(logP, old, perResponse, mask, LossAggregation.Token, 14, klCoefficient: 0.1, referenceLogProbs: reference)) { }
        using (GroupAdvantages.Of(perResponse, 2)) { }
        GroupAdvantages.LeaveOneOut(perResponse, 2).Dispose();
        KlPenalty.PerToken(KlPenaltyKind.K3, logP, old).Dispose();
        KlPenalty.Full(logP, old).Dispose();
        TokenRewards.WithScores(advantages, perResponse, mask).Dispose();
        ResponseMask.WithSlotAfter(mask).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private GrpoLoss Grpo(Tensor policy, Tensor sampled, Tensor here, LossAggregation aggregation = LossAggregation.Token) => GrpoLoss.Of(
        policy, sampled, perResponse, here, aggregation, aggregation.Divisor(4, 14, 6), klCoefficient: 0.1, referenceLogProbs: sampled - 0.2);

    private Tensor Gradient(Tensor loss) => autograd.grad([loss], [logP], retain_graph: true)[0];

    public void Dispose() => scope.Dispose();
}
