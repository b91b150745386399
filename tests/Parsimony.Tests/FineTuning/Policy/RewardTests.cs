using Parsimony.FineTuning.Policy;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class RewardTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor mask = ResponseMask.Of(tensor(new long[] { 2, 4, 3 }), 4);

    [Fact]
    public void Scores_go_on_the_last_token_or_one_after_it_where_there_is_room()
    {
        var scores = tensor(new[] { 1f, 2f, 3f });
        float[] At(ScorePlacement placement) => TokenRewards.WithScores(zeros(3, 4), scores, mask, placement).Floats();
        Assert.Equal([0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 3, 0], At(ScorePlacement.LastToken));
        Assert.Equal([0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 3], At(ScorePlacement.AfterLastToken));
        Assert.StartsWith("a row of the mask has no token to place its score on;", Assert.Throws<ArgumentException>(
            () => TokenRewards.WithScores(zeros(3, 4), scores, zeros_like(mask))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_penalty_is_taken_per_token_and_not_of_padding()
    {
        var kl = full(3, 4, 2f).masked_fill(mask.logical_not(), float.NaN);
        Assert.Equal([-1, -1, 0, 0, -1, -1, -1, -1, -1, -1, -1, 0], TokenRewards.Penalty(kl, 0.5, mask).Floats());
    }

    [Fact]
    public void A_response_without_its_end_is_penalised_even_when_padding_is_the_same_id()
    {
        var responses = tensor(new long[,] { { 5, 0, 0, 0 }, { 5, 6, 7, 8 }, { 5, 6, 7, 0 } });
        Assert.Equal([1f, 0f, 0f], TokenRewards.LessMissingEnd(ones(3), responses, mask, endOfText: 0, penalty: 1).Floats());
    }

    [Fact]
    public void Advantages_of_a_group_sum_to_0_and_hold_what_their_paper_says()
    {
        var rewards = tensor(new[] { 1.0, 4, 4, 7, 2, 2, 2, 2 });
        foreach (var scaling in Enum.GetValues<GroupScaling>())
        {
            using var group = GroupAdvantages.Of(rewards, 4, scaling);
            Assert.True(group.Advantages.view(2, 4).sum([1L]).abs().max().item<double>() < 1e-12);
            Assert.Equal(0, group.Advantages.narrow(0, 4, 4).abs().sum().item<double>());     // all alike: nothing to learn
            double divisor = scaling switch
            {
                GroupScaling.Group => Math.Sqrt(6) + 1e-4,
                GroupScaling.Batch => rewards.std().item<double>() + 1e-4,
                _ => 1,
            };
            Assert.Equal(-3 / divisor, group.Advantages[0].item<double>(), 1e-12);
            Assert.Equal((4, 2, 0), (group.Means[3].item<double>(), group.Means[4].item<double>(), group.Deviations[7].item<double>()));
        }
        var others = GroupAdvantages.LeaveOneOut(rewards, 4);
        Assert.Equal([1 - 5, 0, 0, 7 - 3, 0, 0, 0, 0], others.Floats());
        Assert.Throws<ArgumentException>(() => GroupAdvantages.Of(rewards, 3));
        Assert.StartsWith("rewards of shape [8] in groups of 1; expected [batch] with 2 or more",
            Assert.Throws<ArgumentException>(() => GroupAdvantages.LeaveOneOut(rewards, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_steered_coefficient_brings_the_kl_to_its_target_and_a_fixed_one_stays()
    {
        // A policy whose KL falls as 1 / beta: 12 nats at 0.2, so 6 at 0.4.
        using var steered = new KlController(0.2, target: 6, horizon: 1000);
        for (int i = 0; i < 400; i++) steered.Update(2.4 / steered.Coefficient, responses: 64);
        Assert.Equal(0.4, steered.Coefficient, 1e-6);

        using var one = new KlController(0.2, target: 6);
        one.Update(60, 64);                                                     // an error of 9, held at 0.2
        Assert.Equal(0.2 * (1 + 0.2 * 64 / 10_000), one.Coefficient, 1e-15);
        using var resumed = new KlController(0.7, target: 6);
        resumed.State.copy_(one.State);
        one.Update(3, 64);
        resumed.Update(3, 64);
        Assert.Equal(one.Coefficient, resumed.Coefficient);

        using var still = new KlController(0.05);
        still.Update(60, 64);
        Assert.Equal(0.05, still.Coefficient);
        Assert.StartsWith("the KL coefficient is 0; it must be 0 or more, and above 0 where it is steered.",
            Assert.Throws<ArgumentException>(() => new KlController(0, target: 6)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new KlController(0.1, target: 0));
    }

    public void Dispose() => scope.Dispose();
}
