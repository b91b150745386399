using Parsimony.FineTuning.Rewards.Trained;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

public sealed class RewardLossTests
{
    [Fact]
    public void A_pair_costs_what_is_computed_by_hand_and_so_is_its_gradient()
    {
        using var scope = NewDisposeScope();
        Tensor better = tensor(new[] { 1f }).requires_grad_(), worse = tensor(new[] { -0.5f }).requires_grad_();
        var loss = RewardLoss.Pairwise(better, worse, margin: 0.5, centring: 0.1);
        // -ln sigma(1) = ln(1 + e^-1) = 0.3132617; 0.1 * 0.5^2 = 0.025.
        Assert.Equal(0.3382617, loss.item<float>(), 6);
        var gradients = autograd.grad([loss], [better, worse]);
        // sigma(1) - 1 = -0.2689414; 2 * 0.1 * 0.5 = 0.1.
        Assert.Equal(-0.2689414 + 0.1, gradients[0].item<float>(), 6);
        Assert.Equal(0.2689414 + 0.1, gradients[1].item<float>(), 6);
    }

    [Fact]
    public void The_loss_is_the_mean_over_pairs_and_ln_2_where_all_are_worth_nothing()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(Math.Log(2), RewardLoss.Pairwise(zeros(5), zeros(5), centring: 1).item<float>(), 6);
        // ln(1 + e^-2) = 0.1269280, ln(1 + e^1) = 1.3132617.
        Assert.Equal((0.1269280 + 1.3132617) / 2, RewardLoss.Pairwise(tensor(new[] { 3f, 0f }), tensor(new[] { 1f, 1f })).item<float>(), 6);
        Assert.Equal(0, RewardLoss.Pairwise(tensor(new[] { 1000f }), tensor(new[] { -1000f })).item<float>());      // no overflow
        Assert.Equal(2000, RewardLoss.Pairwise(tensor(new[] { -1000f }), tensor(new[] { 1000f })).item<float>());
    }

    [Fact]
    public void Of_equal_logits_a_class_costs_the_logarithm_of_how_many_there_are()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(Math.Log(3), RewardLoss.Classes(zeros(4, 3), tensor(new[] { 0L, 1, 2, 0 })).item<float>(), 6);
        // ln(e^1 + e^2) - 2 = 0.3132617.
        Assert.Equal(0.3132617, RewardLoss.Classes(tensor(new[,] { { 1f, 2f } }), tensor(new[] { 1L })).item<float>(), 6);
    }

    [Fact]
    public void The_log_odds_of_a_class_are_those_of_the_softmax()
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new[,] { { 1f, 2f, -1f }, { 0f, 0f, 0f } });
        var p = nn.functional.softmax(logits.to(ScalarType.Float64), 1);
        Assert.True(RewardHead.Verdicts(logits).allclose(p.log() - (1 - p).log()));
        Assert.Equal([1.5, 2], RewardHead.Verdicts(tensor(new[,] { { 1.5f }, { 2f } })).data<double>());
    }

    [Fact]
    public void Of_two_texts_worth_the_same_half_counts_as_right()
    {
        using var scope = NewDisposeScope();
        var pairs = RewardBatch.Of(tensor(new[,] { { 2f }, { 1f }, { 1f }, { 1f }, { 0f }, { 3f } }), null, new());
        Assert.Equal([1, 0.5, 0], pairs.Right.data<double>());
        Assert.Equal([1, 0, -3], pairs.Margins.data<double>());
        var texts = RewardBatch.Of(tensor(new[,] { { 2f, 1f, 0f }, { 2f, 1f, 0f } }), [0, 2], new());
        Assert.Equal([1, 0], texts.Right.data<double>());
        Assert.Equal([1, -2], texts.Margins.data<double>());
    }
}
