using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

public sealed class RewardHeadTrainerTests : IDisposable
{
    private static readonly RewardHeadOptions Options = new() { Epochs = 6, BatchSize = 8, LearningRate = 0.02, LogEverySteps = 4, CheckpointEverySteps = 5, Seed = 2, NullRun = false };
    private readonly Transformer model = Some.Model();
    private readonly TemporaryFolder folder = new();
    private readonly RewardData train = Pairs(40, 1), heldOut = Pairs(24, 2);

    /// <summary>Texts whose better one ends in token 5 to 9 and whose worse one in 20 to 24, after a random beginning of random length.</summary>
    private static RewardData Pairs(int count, int seed)
    {
        var random = new Random(seed);
        return new() { SequenceLength = 12, Texts = [.. Enumerable.Range(0, 2 * count).Select(t => Text(random, t % 2 == 0 ? 5 : 20))] };
    }

    private static RewardData Labelled(int count, int seed)
    {
        var random = new Random(seed);
        int[] labels = [.. Enumerable.Range(0, count).Select(i => i % 3)];
        return new() { SequenceLength = 12, Classes = ["a", "b", "c"], Labels = labels, Texts = [.. labels.Select(l => Text(random, 5 + 10 * l, kinds: 1))] };
    }

    private static JudgedText Text(Random random, int last, int kinds = 5) => new([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(40)), last + random.Next(kinds)], 1);

    private RewardHeadResult Train(RewardHeadOptions options, string? to = null, IProgress<RewardHeadProgress>? told = null, CancellationToken cancellation = default) =>
        new RewardHeadTrainer(model, options).Train(train, heldOut, to is null ? null : folder.File(to), told, null, cancellation);

    [Fact]
    public void What_can_be_told_apart_is_learnt_and_random_verdicts_are_not()
    {
        using var pairs = new RewardHeadTrainer(model, Options with { Epochs = 10, NullRun = true }).Train(Pairs(200, 1), Pairs(60, 2));
        Assert.True(pairs.HeldOut!.Accuracy.Value > 0.85, $"{pairs.HeldOut}");
        Assert.True(pairs.HeldOut.Loss < 0.4 && pairs.HeldOut.Margin > 1, $"{pairs.HeldOut}");
        Assert.InRange(pairs.NullAccuracy!.Value, 0.2, 0.8);
        using var classes = new RewardHeadTrainer(model, Options with { Epochs = 20 }).Train(Labelled(300, 3), Labelled(60, 4));
        Assert.True(classes.HeldOut!.Accuracy.Value > 0.8, $"{classes.HeldOut}");
        Assert.Equal((17 * 3, null), (classes.Head.TrainableParameters, classes.HeldOut.MeanReward));
        Assert.Equal(1 / 3.0, classes.Baseline!.Value, 6);
    }

    [Fact]
    public void A_head_of_zeros_costs_ln_2_and_is_right_half_of_the_time()
    {
        var told = new Told();
        using var result = Train(Options with { Birth = RewardHeadBirth.Zero, LearningRate = 1e-12, Epochs = 1 }, null, told);
        Assert.Equal(Math.Log(2), told.Lines[0].Loss, 6);
        Assert.Equal(Math.Log(2), result.HeldOut!.Loss, 6);
    }

    [Fact]
    public void Weights_are_born_with_a_standard_deviation_of_one_over_the_root_of_the_width_and_one()
    {
        using var scope = NewDisposeScope();
        using var head = RewardHead.Create(3, 9999, RewardHeadBirth.Normal, 1);
        Assert.Equal(0.01, head.Weight.std().item<float>(), 3);
        Assert.Equal(0, head.Bias.abs().max().item<float>());
        using var again = RewardHead.Create(3, 9999, RewardHeadBirth.Normal, 1);
        Assert.True(head.Weight.SameBits(again.Weight));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Over_the_held_out_texts_rewards_have_mean_0_and_standard_deviation_1(bool standardise)
    {
        using var scope = NewDisposeScope();
        using var result = Train(Options with { Standardise = standardise });
        var read = new RewardReader(model, null, null, RewardPooling.Last).Read(heldOut.Texts);
        var rewards = RewardHead.Verdicts(result.Head.Values(read)) * result.Gain[0] + result.Offset[0];
        Assert.Equal(0, rewards.mean().item<double>(), 4);
        Assert.Equal(1, rewards.std(unbiased: false).item<double>(), 4);
        Assert.Equal(result.HeldOut!.MeanReward!.Value, -result.Offset[0] / result.Gain[0], 4);
        Assert.True(result.HeldOut.MinReward < result.HeldOut.MeanReward && result.HeldOut.MeanReward < result.HeldOut.MaxReward);
    }

    [Fact]
    public void A_run_that_was_cancelled_killed_and_resumed_ends_bit_equal()
    {
        var told = new Told();
        using var whole = Train(Options, "whole", told);
        using (var source = new CancellationTokenSource())
            Assert.Throws<OperationCanceledException>(() => Train(Options, "cut", new Told(p => { if (p.Step == 8) source.Cancel(); }), source.Token));
        // Killed after step 24: the last checkpoint is of step 20, metrics.jsonl already has step 24.
        Assert.Throws<InvalidOperationException>(() => Train(Options, "cut", new Told(p => { if (p.Step == 24) throw new InvalidOperationException("killed"); })));
        File.AppendAllText(Path.Combine(folder.File("cut"), "metrics.jsonl"), "{\"step\":25,\"los");
        using var resumed = Train(Options with { TextCache = "0", LogEverySteps = 4 }, "cut");
        Assert.True(whole.Head.Weight.SameBits(resumed.Head.Weight) && whole.Head.Bias.SameBits(resumed.Head.Bias));
        Assert.Equal((whole.Gain[0], whole.Offset[0], whole.HeldOut), (resumed.Gain[0], resumed.Offset[0], resumed.HeldOut));
        Assert.Equal(told.Lines.Select(Timeless), Lines("whole"));
        Assert.Equal(Lines("whole"), Lines("cut"));
        Assert.Equal(30, Lines("whole")[^1].Step);
        Assert.NotNull(Lines("whole").Single(l => l.Step == 5).HeldOutAccuracy);   // the end of the first epoch
        Assert.Null(Lines("whole").Single(l => l.Step == 4).HeldOutAccuracy);
    }

    [Fact]
    public void A_finished_run_is_not_learnt_again_a_longer_one_goes_on_and_another_is_refused()
    {
        using var first = Train(Options, "a");
        var told = new Told();
        using var again = Train(Options, "a", told);
        Assert.Empty(told.Lines);
        using var longer = Train(Options with { Epochs = 7 }, "a");
        using var atOnce = Train(Options with { Epochs = 7 });
        Assert.True(longer.Head.Weight.SameBits(atOnce.Head.Weight) && !longer.Head.Weight.SameBits(first.Head.Weight));
        Assert.Contains("belongs to another run: margin was 0, now 1.", Assert.Throws<InvalidDataException>(() => Train(Options with { Margin = 1 }, "a")).Message, StringComparison.Ordinal);
        Assert.Contains("the examples differ", Assert.Throws<InvalidDataException>(
            () => new RewardHeadTrainer(model, Options).Train(heldOut, train, folder.File("a"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_text_is_run_through_the_model_once_and_what_is_kept_changes_no_bit()
    {
        using var scope = NewDisposeScope();
        var reader = new RewardReader(model, null, null, RewardPooling.Last);
        using RewardReadings all = new(reader, train.Texts, 1 << 20), few = new(reader, train.Texts, 16 * 4 * 3), none = new(reader, train.Texts, 0);
        var rows = all.Rows([4, 1, 4, 70, 2], default);
        Assert.True(rows.SameBits(few.Rows([4, 1, 4, 70, 2], default)) && rows.SameBits(none.Rows([4, 1, 4, 70, 2], default)));
        all.Rows([4, 70], default);
        Assert.Equal((4, 5, 5), (all.TextsRead, few.TextsRead, none.TextsRead));
        few.Rows([1, 2, 70], default);
        Assert.Equal(6, few.TextsRead);
        Assert.Throws<OperationCanceledException>(() => none.Rows([1], new CancellationToken(canceled: true)));
    }

    [Fact]
    public void With_an_SAE_a_reward_is_a_sum_over_latents()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        var at = HookPoint.Parse("blocks.2.resid_post");
        using var result = new RewardHeadTrainer(model, Options with { Hook = at, Epochs = 40 }, sae).Train(train, heldOut);
        Assert.True(result.HeldOut!.Accuracy.Value > 0.8, $"{result.HeldOut}");
        Assert.Equal(33, result.Head.TrainableParameters);
        Assert.Equal(20, result.Latents.Count);
        Assert.Equal(result.Latents.OrderByDescending(l => Math.Abs(l.MeanContribution)), result.Latents);
        var latents = new RewardReader(model, at, sae, RewardPooling.Last).Read(train.Texts).mean([0L]);
        var top = result.Latents[0];
        Assert.Equal(latents[top.Latent].item<float>(), top.MeanActivation, 4);
        Assert.Equal(result.Head.Weight[0, top.Latent].item<float>() * result.Gain[0], top.Weight, 4);
    }

    [Fact]
    public void A_latent_that_never_fires_on_the_training_texts_has_no_weight()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        using (no_grad()) sae.BEnc[TensorIndex.Slice(0, 3)] = tensor(-1e4f);
        using var result = new RewardHeadTrainer(model, Options with { Hook = HookPoint.Parse("blocks.2.resid_post") }, sae).Train(train, heldOut);
        Assert.Equal(0, result.Head.Weight[0, TensorIndex.Slice(0, 3)].abs().max().item<float>());
        Assert.True(result.Head.Weight.ne(0).sum().item<long>() > 20);
    }

    [Fact]
    public void What_is_not_finite_ends_the_run()
    {
        using var broken = Some.Sae();
        using (no_grad()) broken.BEnc.fill_(float.PositiveInfinity);
        Assert.Contains("is not finite", Assert.Throws<InvalidOperationException>(
            () => new RewardHeadTrainer(model, Options with { Hook = HookPoint.Parse("blocks.2.resid_post") }, broken).Train(train, heldOut)).Message, StringComparison.Ordinal);
        Assert.Contains("Use a lower learning_rate", Assert.Throws<InvalidOperationException>(() => Train(Options with { LearningRate = 1e30 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_learned_from_is_named()
    {
        var trainer = new RewardHeadTrainer(model, Options);
        Assert.Throws<ArgumentException>(() => trainer.Train(train with { Texts = [] }, heldOut));
        Assert.Contains("the training data is pairs, the held-out data texts of the classes a, b, c", Assert.Throws<ArgumentException>(
            () => trainer.Train(train, Labelled(6, 1))).Message, StringComparison.Ordinal);
        Assert.Contains("a text has 65 tokens; the model's limit is 64", Assert.Throws<ArgumentException>(
            () => trainer.Train(train with { Texts = [new(new int[65], 0), new([1], 0)] }, heldOut)).Message, StringComparison.Ordinal);
        string message = Assert.Throws<ArgumentException>(() => new RewardHeadTrainer(model, new() { Centring = -1, Epochs = 0, BatchSize = 0, LearningRate = 0, TextCache = "x" })).Message;
        foreach (string part in (string[])["centring is -1", "epochs is 0", "batch_size is 0", "learning_rate is 0", "text_cache is 'x'"]) Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        void Once(double epochs)
        {
            using var result = Train(Options with { Epochs = epochs, NullRun = true }, $"{epochs}");
        }
        Once(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(3);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private List<RewardHeadProgress> Lines(string run) => [.. MetricsFile.Read<RewardHeadProgress>(Path.Combine(folder.File(run), "metrics.jsonl")).Select(Timeless)];

    private static RewardHeadProgress Timeless(RewardHeadProgress line) => line with { TextsPerSecond = 0 };

    private sealed class Told(Action<RewardHeadProgress>? then = null) : IProgress<RewardHeadProgress>
    {
        public List<RewardHeadProgress> Lines { get; } = [];

        public void Report(RewardHeadProgress value)
        {
            Lines.Add(value);
            then?.Invoke(value);
        }
    }

    public void Dispose()
    {
        folder.Dispose();
        model.Dispose();
    }
}
