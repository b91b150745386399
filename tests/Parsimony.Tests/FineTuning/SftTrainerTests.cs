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

    private DialFit<SftResult> Train(
        SftOptions options, List<SftExample>? learnt = null, List<SftExample>? measured = null, string? into = null, DialOptions? dials = null, PrefixCache? prefixes = null,
        IProgress<SftProgress>? progress = null, CancellationToken cancellation = default) =>
        DialFits.Sft(model, TinySae.At, sae, options, dials, learnt ?? train, measured ?? heldOut, into, prefixes, progress, cancellation);

    [Fact]
    public void Training_lowers_the_loss_on_what_it_learns_from()
    {
        using var result = Train(Options with { Steps = 60 }, measured: train);
        Assert.True(result.Result.HeldOutAfter < result.Result.HeldOutBefore - 0.05, $"{result.Result.HeldOutBefore} -> {result.Result.HeldOutAfter}");
        Assert.Equal(2 * TinySae.DSae, result.Result.TrainableParameters);
    }

    [Fact]
    public void Before_training_delta_mode_is_the_plain_model_and_replace_mode_is_not()
    {
        using var delta = Train(Options with { Steps = 0 });
        using var replace = Train(Options with { Steps = 0 }, dials: new() { Mode = SpliceMode.Replace });
        Assert.Equal(delta.Result.HeldOutPlain, delta.Result.HeldOutBefore);
        Assert.Equal(delta.Result.HeldOutBefore, delta.Result.HeldOutAfter);
        Assert.Equal(delta.Result.HeldOutPlain, replace.Result.HeldOutPlain);
        Assert.NotEqual(replace.Result.HeldOutPlain, replace.Result.HeldOutBefore);
    }

    [Fact]
    public void Keeping_the_prefix_changes_no_bit()
    {
        using var kept = Train(Options);
        using var recomputed = Train(Options with { PrefixCache = "0" });
        using var some = Train(Options with { PrefixCache = "3KiB" });
        using var prefixes = new PrefixCache(model, TinySae.At, 1 << 20);
        using var shared = Train(Options, prefixes: prefixes);
        Assert.True(prefixes.TokensReused > 2 * prefixes.TokensComputed);
        foreach (var other in (DialFit<SftResult>[])[recomputed, some, shared])
        {
            Assert.True(SameDials(kept, other));
            Assert.Equal(kept.Result.HeldOutAfter, other.Result.HeldOutAfter);
        }
    }

    [Fact]
    public void A_run_that_was_cancelled_and_resumed_ends_bit_equal()
    {
        var told = new Told();
        using var whole = Train(Options, into: Path.Combine(folder, "whole"), progress: told);

        string cut = Path.Combine(folder, "cut");
        foreach (int line in (int[])[4, 8])
        {
            using var source = new CancellationTokenSource();
            var stop = new Told(progress =>
            {
                if (progress.Step == line) source.Cancel();
            });
            Assert.Throws<OperationCanceledException>(() => Train(Options, into: cut, progress: stop, cancellation: source.Token));
        }
        using var resumed = Train(Options, into: cut);

        Assert.True(SameDials(whole, resumed));
        Assert.Equal(whole.Result.HeldOutAfter, resumed.Result.HeldOutAfter);
        Assert.Equal(whole.Result.TokensSeen, resumed.Result.TokensSeen);
        Assert.Equal(told.Lines.Select(Timeless), Lines("whole"));
        Assert.Equal(Lines("whole"), Lines("cut"));
    }

    [Fact]
    public void A_run_that_was_killed_goes_on_from_its_checkpoint_and_writes_no_line_twice()
    {
        using var whole = Train(Options, into: Path.Combine(folder, "whole"));
        string killed = Path.Combine(folder, "killed");
        // Killed after step 8: the last checkpoint is of step 5, its loss sum covers step 5 alone; metrics.jsonl already has step 8.
        var kill = new Told(progress =>
        {
            if (progress.Step == 8) throw new InvalidOperationException("killed");
        });
        Assert.Throws<InvalidOperationException>(() => Train(Options, into: killed, progress: kill));
        File.AppendAllText(Path.Combine(killed, "metrics.jsonl"), "{\"step\":9,\"los");
        using var resumed = Train(Options with { LogEverySteps = 4, PrefixCache = "0" }, into: killed);
        Assert.True(SameDials(whole, resumed));
        Assert.Equal(Lines("whole"), Lines("killed"));
    }

    [Fact]
    public void A_finished_run_is_not_trained_again_and_a_longer_one_goes_on_from_it()
    {
        using var first = Train(Options, into: folder);
        var told = new Told();
        using var again = Train(Options, into: folder, progress: told);
        Assert.Empty(told.Lines);
        Assert.True(SameDials(first, again));
        using var longer = Train(Options with { Steps = 16 }, into: folder);
        using var atOnce = Train(Options with { Steps = 16 });
        Assert.True(SameDials(atOnce, longer));
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_and_says_what_differs()
    {
        using (Train(Options, into: folder))
        {
        }
        string Refusal(SftOptions options, List<SftExample> examples) =>
            Assert.Throws<InvalidDataException>(() => Train(options, examples, into: folder)).Message;
        Assert.Contains("another run: learning_rate was 0.01, now 0.001.", Refusal(Options with { LearningRate = 1e-3 }, train), StringComparison.Ordinal);
        Assert.Contains("another run: seed was 4, now 5; the examples differ.", Refusal(Options with { Seed = 5 }, Examples(7, 9)), StringComparison.Ordinal);
        string path = Path.Combine(folder, "checkpoint.safetensors");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..100]);
        Assert.Throws<InvalidDataException>(() => Train(Options, into: folder));
    }

    [Fact]
    public void The_seed_decides_the_order_and_without_shuffling_it_does_not_matter()
    {
        using var a = Train(Options, measured: []);
        using var b = Train(Options with { Seed = 5 }, measured: []);
        Assert.False(SameDials(a, b));
        using var c = Train(Options with { Shuffle = false }, measured: []);
        using var d = Train(Options with { Shuffle = false, Seed = 5 }, measured: []);
        Assert.True(SameDials(c, d));
        Assert.True(double.IsNaN(a.Result.HeldOutAfter));
    }

    [Fact]
    public void A_null_run_learns_less_of_the_true_labels()
    {
        var longer = Options with { Steps = 60 };
        using var real = Train(longer, measured: train);
        using var nothing = Train(longer with { ShuffleLabels = true }, measured: train);
        Assert.True(nothing.Result.HeldOutAfter > real.Result.HeldOutAfter + 0.03, $"{nothing.Result.HeldOutAfter} against {real.Result.HeldOutAfter}");
        using var again = Train(longer with { ShuffleLabels = true }, measured: train);
        Assert.True(SameDials(nothing, again));
    }

    [Fact]
    public void Scales_stay_at_or_above_the_least_allowed()
    {
        using var result = Train(Options with { LearningRate = 0.5 }, measured: [], dials: new() { MinScale = 0.25 });
        using var least = result.Dials.Scale().min();
        Assert.Equal(0.25f, least.item<float>());
    }

    [Fact]
    public void A_loss_that_is_not_finite_ends_the_run()
    {
        using var broken = TinySae.Random();
        using (TorchSharp.torch.no_grad()) broken.WDec.mul_(float.PositiveInfinity);
        using var adapter = new DialAdapter(model, [new(TinySae.At, broken)], new() { Mode = SpliceMode.Replace });
        var trainer = new SftTrainer(model, adapter, Options);
        Assert.Contains("Use a lower learning_rate",
            Assert.Throws<InvalidOperationException>(() => trainer.Train(train, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_learned_from_is_named()
    {
        Assert.Throws<ArgumentException>(() => Train(Options, []));
        Assert.Contains("13 tokens; sequence_length is 12", Assert.Throws<ArgumentException>(
            () => Train(Options, [new SftExample(new int[13], 1)])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Train(Options, [new SftExample([1, 2], 2)]));
        Assert.Throws<ArgumentException>(() => Train(Options with { Steps = -1 }));
        using var narrow = TinySae.Random(dModel: 8);
        Assert.Throws<ArgumentException>(() => new DialAdapter(model, [new(TinySae.At, narrow)], new()));
        using var elsewhere = new PrefixCache(model, new HookPoint(0, HookSite.MlpOut), 0);
        Assert.Throws<ArgumentException>(() => Train(Options, prefixes: elsewhere));
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        void Once(int steps)
        {
            using var result = Train(Options with { Steps = steps }, into: Path.Combine(folder, $"{steps}"));
        }
        Once(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(7);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private IEnumerable<SftProgress> Lines(string run) => MetricsFile.Read<SftProgress>(Path.Combine(folder, run, "metrics.jsonl")).Select(Timeless);

    private static SftProgress Timeless(SftProgress line) => line with { TokensPerSecond = 0 };

    private static bool SameDials(DialFit<SftResult> a, DialFit<SftResult> b) => a.Dials.Gamma.SameBits(b.Dials.Gamma) && a.Dials.Delta.SameBits(b.Dials.Delta);

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }
}
