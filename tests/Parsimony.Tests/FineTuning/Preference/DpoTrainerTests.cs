using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Preference;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Preference;

public sealed class DpoTrainerTests : IDisposable
{
    private static readonly DpoOptions Options = new() { Steps = 12, BatchSize = 4, LearningRate = 1e-2, LogEverySteps = 4, CheckpointEverySteps = 5, Seed = 3 };

    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<PreferencePair> train = Pairs(24, 1), heldOut = Pairs(12, 2);

    // The chosen completion uses the lower half of the vocabulary, the rejected one the upper half; lengths differ.
    private static List<PreferencePair> Pairs(int count, int seed)
    {
        var random = new Random(seed);
        int half = Some.Config().DVocab / 2;
        int[] Tokens(int length, int from) => [.. Enumerable.Range(0, length).Select(_ => from + random.Next(half - 1))];
        return [.. Enumerable.Range(0, count).Select(i => new PreferencePair(Tokens(i % 4, 1), Tokens(2 + i % 5, 1), Tokens(2 + i % 3, half)))];
    }

    private DialFit<DpoResult> Train(
        DpoOptions options, DialOptions? dials = null, string? into = null, List<PreferencePair>? pairs = null, Action<DpoProgress>? told = null, CancellationToken cancellation = default)
    {
        var adapter = new DialAdapter(model, [new(TinySae.At, sae)], dials ?? new());
        try
        {
            return new(new DpoTrainer(model, adapter, options).Train(pairs ?? train, heldOut, into, new Lines(told), cancellation), adapter);
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    [Theory]
    [InlineData(SpliceMode.Delta)]
    [InlineData(SpliceMode.Replace)]
    public void At_the_start_policy_is_reference_and_the_loss_is_ln_2(SpliceMode mode)
    {
        using var fit = Train(Options with { Steps = 0 }, new() { Mode = mode });
        Assert.Equal(Math.Log(2), fit.Result.Before.Loss, 1e-6);
        Assert.Equal(fit.Result.Before, fit.Result.After);
        Assert.Equal(0, fit.Result.Before.Margin, 1e-5);
    }

    [Theory]
    [InlineData(PreferenceLossKind.Sigmoid, 0.1)]
    [InlineData(PreferenceLossKind.Robust, 0.1)]
    [InlineData(PreferenceLossKind.Hinge, 0.1)]
    [InlineData(PreferenceLossKind.Ipo, 0.5)]
    [InlineData(PreferenceLossKind.SimPo, 2)]
    public void Every_loss_of_the_family_teaches_what_is_preferred(PreferenceLossKind loss, double beta)
    {
        var options = Options with { Loss = loss, Beta = beta, Steps = 60, LearningRate = 2e-2, LabelSmoothing = loss is PreferenceLossKind.Robust ? 0.1 : 0 };
        using var fit = Train(options);
        using var nothing = Train(options with { ShuffleLabels = true });
        double gain = fit.Result.After.Margin - fit.Result.Before.Margin, noise = nothing.Result.After.Margin - nothing.Result.Before.Margin;
        Assert.True(fit.Result.After.LikelierChosen > fit.Result.Before.LikelierChosen || fit.Result.After.LikelierChosen > 0.9, $"{fit.Result}");
        Assert.True(gain > 0.02, $"{fit.Result}");
        Assert.True(Math.Abs(noise) < gain / 2, $"{noise} against {gain}");
    }

    [Fact]
    public void Logged_rewards_are_what_fresh_passes_over_single_completions_come_to()
    {
        using var scope = NewDisposeScope();
        var lines = new List<DpoProgress>();
        using var after = Train(Options with { Steps = 2, LogEverySteps = 1 }, told: lines.Add);
        using var one = Train(Options with { Steps = 1 });
        var which = new ExampleOrder(train.Count, Options.BatchSize, shuffle: true, Options.Seed).Batch(1);
        double LogP(int[] prompt, int[] completion, Tap? tap)
        {
            long[] ids = [.. prompt, .. completion];
            var logP = model.Forward(tensor(ids).unsqueeze(0), tap)[0].to(ScalarType.Float64).log_softmax(-1);
            return Enumerable.Range(Math.Max(1, prompt.Length), ids.Length - Math.Max(1, prompt.Length)).Sum(t => logP[t - 1, ids[t]].item<double>());
        }
        double Mean(Func<PreferencePair, int[]> side, Tap? tap) => which.Average(i => LogP(train[i].Prompt, side(train[i]), tap));
        var policy = one.Adapter.Tap();
        Assert.Equal(Mean(p => p.Chosen, policy), lines[1].ChosenLogProb, 1e-4);
        Assert.Equal(Mean(p => p.Rejected, policy), lines[1].RejectedLogProb, 1e-4);
        Assert.Equal(0.1 * (Mean(p => p.Chosen, policy) - Mean(p => p.Chosen, null)), lines[1].ChosenReward, 1e-5);
        Assert.Equal(lines[1].ChosenReward - lines[1].RejectedReward, lines[1].Margin, 1e-6);
    }

    [Fact]
    public void A_run_that_was_stopped_or_killed_and_resumed_ends_bit_equal()
    {
        string whole = Path.Combine(folder, "whole"), cut = Path.Combine(folder, "cut"), killed = Path.Combine(folder, "killed");
        using var all = Train(Options, into: whole);
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Train(Options, into: cut, told: line => source.Cancel(), cancellation: source.Token));
        Assert.Throws<NotSupportedException>(() => Train(Options, into: killed, told: line =>
        {
            if (line.Step == 8) throw new NotSupportedException();
        }));
        IEnumerable<DpoProgress> Lines(string run) => MetricsFile.Read<DpoProgress>(Path.Combine(run, "metrics.jsonl")).Select(l => l with { TokensPerSecond = 0 });
        foreach (string run in (string[])[cut, killed])
        {
            using var resumed = Train(Options, into: run);
            Assert.True(all.Dials.Gamma.SameBits(resumed.Dials.Gamma) && all.Dials.Delta.SameBits(resumed.Dials.Delta));
            Assert.Equal(Lines(whole), Lines(run));
            Assert.Equal(all.Result with { Seconds = 0 }, resumed.Result with { Seconds = 0 });
        }
        Assert.Contains("another run: beta was 0.1, now 0.2", Assert.Throws<InvalidDataException>(() => Train(Options with { Beta = 0.2 }, into: whole)).Message, StringComparison.Ordinal);
        Assert.Contains("the examples differ", Assert.Throws<InvalidDataException>(() => Train(Options, into: whole, pairs: Pairs(24, 7))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_reference_is_asked_once()
    {
        Train(Options with { Steps = 1 }, into: folder).Dispose();
        string path = Path.Combine(folder, "reference.safetensors");
        using (NewDisposeScope())
        {
            // A reference that finds every chosen completion likelier by ten nats is what the next run must believe.
            var file = SafetensorsFile.Open(path);
            var (scores, metadata) = (file.Read("reference", ScalarType.Float32).clone(), file.Metadata.ToDictionary());
            file.Dispose();
            scores.select(1, 0).add_(10);
            SafetensorsFile.Write(path, [KeyValuePair.Create("reference", scores)], metadata);
        }
        File.Delete(Path.Combine(folder, "checkpoint.safetensors"));
        var lines = new List<DpoProgress>();
        Train(Options with { Steps = 1 }, into: folder, told: lines.Add).Dispose();
        Assert.Equal(-1, lines[0].Margin, 1e-4);                                            // beta times ten nats
        string simPo = Path.Combine(folder, "simpo");
        Train(Options with { Loss = PreferenceLossKind.SimPo, Beta = 2, Steps = 1 }, into: simPo).Dispose();
        Assert.False(File.Exists(Path.Combine(simPo, "reference.safetensors")));
    }

    [Fact]
    public void The_chosen_completions_own_loss_keeps_them_likely()
    {
        double ChosenAfter(double weight)
        {
            var lines = new List<DpoProgress>();
            Train(Options with { Steps = 40, NllWeight = weight, LearningRate = 2e-2 }, told: lines.Add).Dispose();
            return lines[^1].ChosenLogProb;
        }
        Assert.True(ChosenAfter(1) > ChosenAfter(0) + 0.05);
    }

    [Fact]
    public void Recomputing_gives_the_same_bits_and_what_cannot_be_learned_from_is_named()
    {
        using var kept = Train(Options);
        using var again = Train(Options with { Recompute = true, PrefixCache = "0" });
        Assert.True(kept.Dials.Gamma.SameBits(again.Dials.Gamma));
        Assert.Contains("there is no pair", Assert.Throws<ArgumentException>(() => Train(Options, pairs: [])).Message, StringComparison.Ordinal);
        Assert.Contains("a pair has 101 tokens", Assert.Throws<ArgumentException>(() => Train(Options, pairs: [new(new int[100], [1], [2])])).Message, StringComparison.Ordinal);
        Assert.Contains("nothing is to be predicted", Assert.Throws<ArgumentException>(() => Train(Options, pairs: [new([], [1], [2, 3])])).Message, StringComparison.Ordinal);
        string faults = Assert.Throws<ArgumentException>((Options with { Beta = 0, LabelSmoothing = 0.5, PrefixCache = "much" }).Validated).Message;
        foreach (string fault in (string[])["beta is 0; allowed: above 0", "label_smoothing is 0.5", "prefix_cache is 'much'"]) Assert.Contains(fault, faults, StringComparison.Ordinal);
    }

    [Fact]
    public void No_tensor_is_left_behind()
    {
        void Once() => Train(Options with { Steps = 3, NllWeight = 0.1, ShuffleLabels = true }, new() { Positions = TokenPositions.Response }, Path.Combine(folder, Guid.NewGuid().ToString())).Dispose();
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }

    private sealed class Lines(Action<DpoProgress>? told) : IProgress<DpoProgress>
    {
        public void Report(DpoProgress value) => told?.Invoke(value);
    }
}
