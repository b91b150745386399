using Parsimony.FineTuning;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class TokenLogProbsTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    [Theory]
    [InlineData(1)]
    [InlineData(0.7)]
    public void Log_probabilities_and_entropies_are_those_of_the_softmax(double temperature)
    {
        var logits = Drawn.Normal(1, 3, 5, 11).to(ScalarType.Float64) * 3;
        var targets = Some.Tokens(3, 5).remainder(11);
        var p = (logits / temperature).exp();
        p = p / p.sum(-1, keepdim: true);
        var logP = p.gather(-1, targets.unsqueeze(-1)).squeeze(-1).log();
        Assert.True((TokenLogProbs.Of(logits, targets, temperature) - logP).abs().max().item<double>() < 1e-5);
        Assert.True((TokenLogProbs.Entropy(logits, temperature) + (p * p.log()).sum(-1)).abs().max().item<double>() < 1e-5);
    }

    [Fact]
    public void They_are_the_next_token_loss_of_a_model()
    {
        using var model = Some.Model();
        var tokens = Some.Tokens();
        var logits = model.Forward(tokens);
        var logP = TokenLogProbs.Of(logits.narrow(1, 0, 11), tokens.narrow(1, 1, 11));
        Assert.True((logP + NextTokenLoss.PerToken(logits, tokens)).abs().max().item<float>() < 1e-6);
    }

    // 40 logits a position: 1 of them at a time, 3, and all at once.
    [Theory]
    [InlineData(1)]
    [InlineData(130)]
    [InlineData(1 << 19)]
    public void In_parts_from_the_residual_stream_they_are_the_same_and_never_more_than_allowed(long logitsAtATime)
    {
        using var model = Some.Model();
        var residual = Drawn.Normal(2, 2, 12, 16).requires_grad_();
        var targets = Some.Tokens(seed: 9);
        var mask = ResponseLike();
        long most = 0, made = 0;
        Tensor Unembed(Tensor x)
        {
            most = Math.Max(most, x.size(0) * 40);
            made += x.size(0);
            return model.Unembed(x);
        }
        var parts = TokenLogProbs.FromResidual(Unembed, 40, residual, targets, mask, 0.7, logitsAtATime);
        Assert.True(most <= Math.Max(40, logitsAtATime));
        Assert.Equal(mask.sum().item<long>(), made);

        var logits = model.Unembed(residual);
        var whole = Masked.Keep(TokenLogProbs.Of(logits, targets, 0.7), mask);
        Assert.True((parts.LogProbs - whole).abs().max().item<float>() < 1e-5);
        Assert.True((parts.Entropies - Masked.Keep(TokenLogProbs.Entropy(logits, 0.7), mask)).abs().max().item<float>() < 1e-5);
        Assert.False(parts.Entropies.requires_grad);
        var mine = autograd.grad([parts.LogProbs.sum()], [residual])[0];
        Assert.True((mine - autograd.grad([whole.sum()], [residual])[0]).abs().max().item<float>() < 1e-5);
        using (no_grad())
            Assert.True(TokenLogProbs.FromResidual(Unembed, 40, residual, targets, mask, 0.7, logitsAtATime).LogProbs.SameBits(parts.LogProbs));
    }

    [Fact]
    public void What_lies_outside_the_mask_changes_nothing()
    {
        using var model = Some.Model();
        var (residual, targets, mask) = (Drawn.Normal(2, 2, 12, 16), Some.Tokens(seed: 9), ResponseLike());
        var outside = mask.logical_not();
        using var clean = TokenLogProbs.FromResidual(model.Unembed, 40, residual, targets, mask);
        using var dirty = TokenLogProbs.FromResidual(
            model.Unembed, 40, residual.masked_fill(outside.unsqueeze(-1), float.NaN), targets.masked_fill(outside, -100), mask);
        Assert.True(clean.LogProbs.SameBits(dirty.LogProbs) && clean.Entropies.SameBits(dirty.Entropies));
        using var none = TokenLogProbs.FromResidual(model.Unembed, 40, residual, targets, zeros_like(mask));
        Assert.Equal(0, none.LogProbs.abs().sum().item<float>());
    }

    [Fact]
    public void A_token_out_of_the_vocabulary_leaves_the_entropy_finite()
    {
        var logits = tensor(new[] { 0f, 0f, float.NegativeInfinity });
        Assert.Equal(Math.Log(2), TokenLogProbs.Entropy(logits).item<float>(), 1e-6);
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        string Refusal(Action what) => Assert.Throws<ArgumentException>(what).Message;
        Assert.StartsWith("logits is [2, 3, 5] and the targets are Int64 [2, 4]; expected [.., d_vocab] and Int64 [..]",
            Refusal(() => TokenLogProbs.Of(zeros(2, 3, 5), zeros(2, 4, ScalarType.Int64))), StringComparison.Ordinal);
        Assert.StartsWith("the temperature is 0; it must be above 0.",
            Refusal(() => TokenLogProbs.Of(zeros(2, 5), zeros(2, ScalarType.Int64), 0)), StringComparison.Ordinal);
        Assert.StartsWith("the mask is Int64 [2]; expected Bool [2]",
            Refusal(() => Masked.Mean(zeros(2), zeros(2, ScalarType.Int64))), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_left_behind()
    {
        using var model = Some.Model();
        using Tensor residual = Drawn.Normal(2, 2, 12, 16), targets = Some.Tokens(), mask = ResponseLike();
        using (TokenLogProbs.FromResidual(model.Unembed, 40, residual, targets, mask)) { } // reads the unembedding
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (TokenLogProbs.FromResidual(model.Unembed, 40, residual, targets, mask, logitsAtATime: 100)) { }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static Tensor ResponseLike() => PositionMask.Of(TokenPositions.Response, [new(0, 4, 9), new(2, 7, 12)], 12);

    public void Dispose() => scope.Dispose();
}
