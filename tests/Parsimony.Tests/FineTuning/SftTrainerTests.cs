using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class SftTrainerTests : IDisposable
{
    private static readonly SftOptions Options = new()
    {
        Steps = 12,
        BatchSize = 3,
        SequenceLength = 12,
        LearningRate = 1e-2,
        LogEverySteps = 4,
        CheckpointEverySteps = 5,
        Seed = 4,
    };

    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<SftExample> train = Examples(7, 1);
    private readonly List<SftExample> heldOut = Examples(4, 2);

    // Of different lengths and first targets, as prompts with completions are.
    private static List<SftExample> Examples(int count, int seed) =>
        [.. Some.Contexts(count, seed: seed).Select((row, i) => new SftExample(row[..(12 - i % 3 * 2)], 1 + i % 2 * 3))];

    private SftTrainer Trainer(SftOptions options, PrefixCache? prefixes = null) => new(model, TinySae.At, sae, options, prefixes);

    [Fact]
    public void Training_lowers_the_loss_on_what_it_learns_from()
    {
        using var result = Trainer(Options with { Steps = 60 }).Train(train, train);
        Assert.True(result.HeldOutAfter < result.HeldOutBefore - 0.05, $"{result.HeldOutBefore} -> {result.HeldOutAfter}");
        Assert.Equal(2 * TinySae.DSae, result.TrainableParameters);
        Assert.NotNull(result.Movement);
    }

    [Fact]
    public void Before_training_delta_mode_is_the_plain_model_and_replace_mode_is_not()
    {
        using var delta = Trainer(Options with { Steps = 0 }).Train(train, heldOut);
        using var replace = Trainer(Options with { Steps = 0, Mode = SpliceMode.Replace }).Train(train, heldOut);
        Assert.Equal(delta.HeldOutPlain, delta.HeldOutBefore);
        Assert.Equal(delta.HeldOutBefore, delta.HeldOutAfter);
        Assert.Equal(delta.HeldOutPlain, replace.HeldOutPlain);
        Assert.NotEqual(replace.HeldOutPlain, replace.HeldOutBefore);
    }

    [Fact]
    public void Keeping_the_prefix_changes_no_bit()
    {
        using var kept = Trainer(Options).Train(train, heldOut);
        using var recomputed = Trainer(Options with { PrefixCache = "0" }).Train(train, heldOut);
        using var some = Trainer(Options with { PrefixCache = "3KiB" }).Train(train, heldOut);
        using var prefixes = new PrefixCache(model, TinySae.At, 1 << 20);
        using var shared = Trainer(Options, prefixes).Train(train, heldOut);
        Assert.True(prefixes.TokensReused > 2 * prefixes.TokensComputed);
        foreach (var other in (SftResult[])[recomputed, some, shared])
        {
            Assert.True(SameDials(kept, other));
            Assert.Equal(kept.HeldOutAfter, other.HeldOutAfter);
        }
    }

    [Fact]
    public void A_run_that_was_cancelled_and_resumed_ends_bit_equal()
    {
        var told = new Told();
        using var whole = Trainer(Options).Train(train, heldOut, Path.Combine(folder, "whole"), told);

        string cut = Path.Combine(folder, "cut");
        foreach (int line in (int[])[4, 8])
        {
            using var source = new CancellationTokenSource();
            var stop = new Told(progress =>
            {
                if (progress.Step == line) source.Cancel();
            });
            Assert.Throws<OperationCanceledException>(() => Trainer(Options).Train(train, heldOut, cut, stop, source.Token));
        }
        using var resumed = Trainer(Options).Train(train, heldOut, cut);

        Assert.True(SameDials(whole, resumed));
        Assert.Equal(whole.HeldOutAfter, resumed.HeldOutAfter);
        Assert.Equal(whole.TokensSeen, resumed.TokensSeen);
        Assert.Equal(told.Lines.Select(Timeless), Lines("whole"));
        Assert.Equal(Lines("whole"), Lines("cut"));
    }

    [Fact]
    public void A_run_that_was_killed_goes_on_from_its_checkpoint_and_writes_no_line_twice()
    {
        using var whole = Trainer(Options).Train(train, heldOut, Path.Combine(folder, "whole"));
        string killed = Path.Combine(folder, "killed");
        // Killed after step 8: the last checkpoint is of step 5, its loss sum covers step 5 alone; metrics.jsonl already has step 8.
        var kill = new Told(progress =>
        {
            if (progress.Step == 8) throw new InvalidOperationException("killed");
        });
        Assert.Throws<InvalidOperationException>(() => Trainer(Options).Train(train, heldOut, killed, kill));
        File.AppendAllText(Path.Combine(killed, "metrics.jsonl"), "{\"step\":9,\"los");
        using var resumed = Trainer(Options with { LogEverySteps = 4, PrefixCache = "0" }).Train(train, heldOut, killed);
        Assert.True(SameDials(whole, resumed));
        Assert.Equal(Lines("whole"), Lines("killed"));
    }

    [Fact]
    public void A_finished_run_is_not_trained_again_and_a_longer_one_goes_on_from_it()
    {
        using var first = Trainer(Options).Train(train, heldOut, folder);
        var told = new Told();
        using var again = Trainer(Options).Train(train, heldOut, folder, told);
        Assert.Empty(told.Lines);
        Assert.True(SameDials(first, again));
        using var longer = Trainer(Options with { Steps = 16 }).Train(train, heldOut, folder);
        using var atOnce = Trainer(Options with { Steps = 16 }).Train(train, heldOut);
        Assert.True(SameDials(atOnce, longer));
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_and_says_what_differs()
    {
        using (Trainer(Options).Train(train, heldOut, folder))
        {
        }
        string Refusal(SftOptions options, List<SftExample> examples) =>
            Assert.Throws<InvalidDataException>(() => Trainer(options).Train(examples, heldOut, folder)).Message;
        Assert.Contains("another run: learning_rate was 0.01, now 0.001.", Refusal(Options with { LearningRate = 1e-3 }, train), StringComparison.Ordinal);
        Assert.Contains("another run: seed was 4, now 5; the examples differ.", Refusal(Options with { Seed = 5 }, Examples(7, 9)), StringComparison.Ordinal);
        string path = Path.Combine(folder, "checkpoint.safetensors");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..100]);
        Assert.Throws<InvalidDataException>(() => Trainer(Options).Train(train, heldOut, folder));
    }

    [Fact]
    public void The_seed_decides_the_order_and_without_shuffling_it_does_not_matter()
    {
        using var a = Trainer(Options).Train(train, []);
        using var b = Trainer(Options with { Seed = 5 }).Train(train, []);
        Assert.False(SameDials(a, b));
        using var c = Trainer(Options with { Shuffle = false }).Train(train, []);
        using var d = Trainer(Options with { Shuffle = false, Seed = 5 }).Train(train, []);
        Assert.True(SameDials(c, d));
        Assert.True(double.IsNaN(a.HeldOutAfter));
        Assert.Null(a.Movement);
    }

    [Fact]
    public void A_null_run_learns_less_of_the_true_labels()
    {
        var longer = Options with { Steps = 60 };
        using var real = Trainer(longer).Train(train, train);
        using var nothing = Trainer(longer with { ShuffleLabels = true }).Train(train, train);
        Assert.True(nothing.HeldOutAfter > real.HeldOutAfter + 0.03, $"{nothing.HeldOutAfter} against {real.HeldOutAfter}");
        using var again = Trainer(longer with { ShuffleLabels = true }).Train(train, train);
        Assert.True(SameDials(nothing, again));
    }

    [Fact]
    public void Scales_stay_at_or_above_the_least_allowed()
    {
        using var result = Trainer(Options with { LearningRate = 0.5, MinScale = 0.25 }).Train(train, []);
        using var least = result.Dials.Scale().min();
        Assert.Equal(0.25f, least.item<float>());
    }

    [Fact]
    public void A_loss_that_is_not_finite_ends_the_run()
    {
        using var broken = TinySae.Random();
        using (TorchSharp.torch.no_grad()) broken.WDec.mul_(float.PositiveInfinity);
        var trainer = new SftTrainer(model, TinySae.At, broken, Options with { Mode = SpliceMode.Replace });
        Assert.Contains("Use a lower learning_rate",
            Assert.Throws<InvalidOperationException>(() => trainer.Train(train, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_learned_from_is_named()
    {
        Assert.Throws<ArgumentException>(() => Trainer(Options).Train([], heldOut));
        Assert.Contains("13 tokens; sequence_length is 12", Assert.Throws<ArgumentException>(
            () => Trainer(Options).Train([new SftExample(new int[13], 1)], [])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Trainer(Options).Train([new SftExample([1, 2], 2)], []));
        Assert.Throws<ArgumentException>(() => Trainer(Options with { Steps = -1 }));
        using var narrow = TinySae.Random(dModel: 8);
        Assert.Throws<ArgumentException>(() => new SftTrainer(model, TinySae.At, narrow, Options));
        using var elsewhere = new PrefixCache(model, new HookPoint(0, HookSite.MlpOut), 0);
        Assert.Throws<ArgumentException>(() => Trainer(Options, elsewhere));
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        void Once(int steps)
        {
            using var result = Trainer(Options with { Steps = steps, MinScale = 0 }).Train(train, heldOut, Path.Combine(folder, $"{steps}"));
        }
        Once(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(7);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private IEnumerable<SftProgress> Lines(string run) => MetricsFile.Read<SftProgress>(Path.Combine(folder, run, "metrics.jsonl")).Select(Timeless);

    private static SftProgress Timeless(SftProgress line) => line with { TokensPerSecond = 0 };

    private static bool SameDials(SftResult a, SftResult b) => a.Dials.Gamma.SameBits(b.Dials.Gamma) && a.Dials.Shift.SameBits(b.Dials.Shift);

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }
}
