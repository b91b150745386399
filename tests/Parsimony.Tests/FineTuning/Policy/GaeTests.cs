using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class GaeTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor rewards = Drawn.Normal(1, 4, 9).to(ScalarType.Float64);
    private readonly Tensor values = Drawn.Normal(2, 4, 9).to(ScalarType.Float64);
    private readonly Tensor mask = PositionMask.Of(TokenPositions.All, [new(0, 0, 9), new(0, 0, 4), new(3, 3, 9), new(2, 2, 3)], 9); // padding on either side

    [Theory]
    [InlineData(1, 0.95)]
    [InlineData(0.9, 0.5)]
    [InlineData(0.97, 0)]
    public void It_is_the_sum_of_its_definition(double gamma, double lambda)
    {
        using var gae = Gae.Of(rewards, values, mask, gamma, lambda);
        for (int row = 0; row < 4; row++)
            for (int t = 0; t < 9; t++)
            {
                bool In(int i) => i < 9 && mask[row, i].item<bool>();
                double V(int i) => In(i) ? values[row, i].item<double>() : 0;
                double expected = 0;
                for (int k = 0; In(t) && In(t + k); k++)
                    expected += Math.Pow(gamma * lambda, k) * (rewards[row, t + k].item<double>() + gamma * V(t + k + 1) - V(t + k));
                Assert.Equal(expected, gae.Advantages[row, t].item<double>(), 1e-12);
                Assert.Equal(expected + V(t), gae.Returns[row, t].item<double>(), 1e-12);
            }
    }

    [Fact]
    public void At_gamma_and_lambda_1_the_returns_are_the_rewards_to_come()
    {
        using var gae = Gae.Of(rewards, values, mask, 1, 1);
        var kept = Masked.Keep(rewards, mask);
        var toCome = Masked.Keep(kept.flip(1).cumsum(1).flip(1), mask);
        Assert.True((gae.Returns - toCome).abs().max().item<double>() < 1e-12);
        Assert.True((gae.Advantages - (toCome - Masked.Keep(values, mask))).abs().max().item<double>() < 1e-12);
    }

    [Fact]
    public void What_lies_under_the_padding_changes_nothing()
    {
        var outside = mask.logical_not();
        using var clean = Gae.Of(rewards, values, mask);
        using var dirty = Gae.Of(rewards.masked_fill(outside, double.NaN), values.masked_fill(outside, 1e30), mask);
        Assert.True(clean.Advantages.SameBits(dirty.Advantages) && clean.Returns.SameBits(dirty.Returns));
        Assert.True(Whitening.Of(rewards, mask).SameBits(Whitening.Of(rewards.masked_fill(outside, double.NaN), mask)));
    }

    [Fact]
    public void Whitened_numbers_have_mean_0_or_their_own_and_variance_1()
    {
        foreach (bool shift in (bool[])[true, false])
        {
            var white = Whitening.Of(rewards, mask, shift);
            Assert.Equal(shift ? 0 : Masked.Mean(rewards, mask).item<double>(), Masked.Mean(white, mask).item<double>(), 1e-12);
            Assert.Equal(1, Masked.Variance(white, mask).item<double>(), 1e-6);
            Assert.Equal(0, white.masked_fill(mask, 0).abs().sum().item<double>());
        }
        var single = zeros_like(mask);
        single[0, 0] = true;
        Assert.Equal(0, Whitening.Of(rewards, single).abs().sum().item<double>()); // one number does not vary
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (Gae.Of(rewards, values, mask)) { }
        Whitening.Of(rewards, mask).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => scope.Dispose();
}
