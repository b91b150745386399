using Parsimony.FineTuning.Preference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Preference;

public sealed class PreferenceLossTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    private static CompletionScores Scores(float[] policy, float[]? reference, params float[] tokens) =>
        new(tensor(policy), reference is null ? null : tensor(reference), tensor(tokens));

    private static double LogSigmoid(double x) => -Math.Log(1 + Math.Exp(-x));

    [Theory]
    [InlineData(PreferenceLossKind.Sigmoid, 0)]
    [InlineData(PreferenceLossKind.Sigmoid, 0.1)]
    [InlineData(PreferenceLossKind.Robust, 0.1)]
    public void At_the_start_the_loss_is_ln_2_and_margin_and_accuracy_are_0(PreferenceLossKind kind, double smoothing)
    {
        var (chosen, rejected) = (Scores([-31f, -7f], [-31f, -7f], 9, 2), Scores([-12f, -55f], [-12f, -55f], 4, 20));
        using var loss = PreferenceLoss.Of(kind, chosen, rejected, beta: 0.3, labelSmoothing: smoothing);
        Assert.All(loss.Losses.Floats(), one => Assert.Equal(Math.Log(2), one, 1e-6));
        Assert.Equal((0, 0), (loss.Margin(), loss.Accuracy()));
    }

    [Fact]
    public void Robust_loss_is_unbiased_under_the_share_of_flipped_labels_it_is_told()
    {
        using var h = tensor(new[] { -3.0, -0.4, 0, 0.7, 5 });
        using Tensor right = RobustLoss.Of(h, 0.5, 0.2), flipped = RobustLoss.Of(-h, 0.5, 0.2), clean = SigmoidLoss.Of(h, 0.5);
        Assert.True((0.8 * right + 0.2 * flipped - clean).abs().max().item<double>() < 1e-12);
        using var unsmoothed = RobustLoss.Of(h, 0.5, 0);
        Assert.True((unsmoothed - clean).abs().max().item<double>() < 1e-12);
    }

    [Fact]
    public void Ipo_and_simpo_average_over_tokens_and_simpo_never_sees_a_reference()
    {
        var (chosen, rejected) = (Scores([-12f], [-18f], 6), Scores([-20f], [-5f], 5));
        using var ipo = PreferenceLoss.Of(PreferenceLossKind.Ipo, chosen, rejected, beta: 0.25);
        Assert.Equal(Math.Pow(6 / 6.0 - -15 / 5.0 - 2, 2), ipo.Losses.Floats()[0], 1e-5); // averages: 1 and -3
        using var simPo = PreferenceLoss.Of(PreferenceLossKind.SimPo, chosen, rejected, beta: 2, gamma: 1.5);
        Assert.Equal(-LogSigmoid(2 * (-2 - -4) - 1.5), simPo.Losses.Floats()[0], 1e-5);
        Assert.Equal((-4f, -8f), (simPo.ChosenRewards.Floats()[0], simPo.RejectedRewards.Floats()[0]));
        using var alone = PreferenceLoss.Of(
            PreferenceLossKind.SimPo, chosen with { Reference = null }, rejected with { Reference = null }, beta: 2, gamma: 1.5);
        Assert.True(alone.Losses.SameBits(simPo.Losses));
    }

    [Fact]
    public void A_tie_is_no_accuracy()
    {
        var (chosen, rejected) = (Scores([1f, 2f, 3f, 4f], [0f, 0f, 0f, 0f], 1, 1, 1, 1), Scores([1f, 1f, 4f, 3f], [0f, 0f, 0f, 0f], 1, 1, 1, 1));
        using var loss = PreferenceLoss.Of(PreferenceLossKind.Hinge, chosen, rejected, beta: 2);
        Assert.Equal((0.5, 0.5), (loss.Accuracy(), loss.Margin()));
        Assert.Equal([1f, 0f, 3f, 0f], loss.Losses.Floats()); // 1 - 2 h where that is above 0
    }

    [Fact]
    public void What_lies_under_the_padding_changes_nothing()
    {
        var mask = tensor(new[,] { { true, true, true, false }, { true, false, false, false } });
        var policy = Drawn.Normal(1, 2, 4);
        var dirty = where(mask, policy, full_like(policy, float.NaN)).requires_grad_();
        CompletionScores clean = CompletionScores.Of(policy, policy * 0.5, mask), padded = CompletionScores.Of(dirty, dirty * 0.5, mask);
        Assert.True(clean.Policy.SameBits(padded.Policy) && clean.Reference!.SameBits(padded.Reference!));
        Assert.Equal([3, 1], padded.Tokens.Longs());
        var gradient = autograd.grad([padded.LogRatios(averaged: true).sum()], [dirty])[0];
        Assert.Equal([1 / 3f, 1 / 3f, 1 / 3f, 0, 1, 0, 0, 0], gradient.Floats());
    }

    [Fact]
    public void What_cannot_be_used_is_named()
    {
        var (with, without) = (Scores([1f], [1f], 1), Scores([1f], null, 1));
        string Refusal(Action what) => Assert.Throws<ArgumentException>(what).Message;
        Assert.StartsWith("beta is 0; it must be above 0.", Refusal(() => PreferenceLoss.Of(PreferenceLossKind.Sigmoid, with, with, beta: 0)), StringComparison.Ordinal);
        Assert.StartsWith("the label smoothing is 0.5; it must be 0 or more and below 0.5.",
            Refusal(() => PreferenceLoss.Of(PreferenceLossKind.Robust, with, with, labelSmoothing: 0.5)), StringComparison.Ordinal);
        Assert.StartsWith("the loss 'Ipo' needs log-probabilities under the reference.",
            Refusal(() => PreferenceLoss.Of(PreferenceLossKind.Ipo, with, without)), StringComparison.Ordinal);
        using var free = PreferenceLoss.Of(PreferenceLossKind.Sigmoid, without, without, referenceFree: true);
        Assert.Equal(0.1, free.ChosenRewards.Floats()[0], 1e-6);
    }

    public void Dispose() => scope.Dispose();
}
