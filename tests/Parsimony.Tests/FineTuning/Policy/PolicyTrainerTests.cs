using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Rewards;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Policy;

public sealed class PolicyTrainerTests : IDisposable
{
    private readonly Transformer model = SomePolicy.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<RolloutPrompt> prompts = SomePolicy.Prompts();

    public static TheoryData<PolicyAlgorithm> Algorithms => new(PolicyAlgorithm.Ppo, PolicyAlgorithm.Rloo, PolicyAlgorithm.Grpo);

    private (DialFit<PolicyResult> Result, List<PolicyProgress> Lines) Train(
        PolicyOptions options, string? at = null, WeightedRewards? rewards = null, Action<PolicyProgress>? told = null, DialOptions? dials = null, CancellationToken cancellation = default)
    {
        var lines = new Lines(told);
        using var own = rewards is null ? SomePolicy.LowTokens() : null;
        return (DialFits.Policy(model, TinySae.At, sae, options, dials, prompts, rewards ?? own!, at, lines, cancellation), lines.All);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void In_the_first_step_the_policy_is_the_reference_and_every_ratio_of_the_first_update_is_one(PolicyAlgorithm algorithm)
    {
        foreach (var mode in (SpliceMode[])[SpliceMode.Delta, SpliceMode.Replace])
        {
            var (result, lines) = Train(SomePolicy.Options(algorithm), dials: new() { Mode = mode });
            using (result)
            {
                Assert.Equal((0.0, 0.0), (lines[0].Kl, lines[0].FullKl));
                Assert.All(lines, line => Assert.Equal(0, line.FirstRatioError));
                Assert.All(lines, line => Assert.InRange(line.SamplingError, 0, 1e-5));
                Assert.True(lines[^1].FullKl > 0);
                Assert.Equal((4, 48, 4 * 48 / 4), (result.Result.Steps, result.Result.Responses, lines[^1].Responses));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void What_is_rewarded_becomes_more_likely_and_in_a_null_run_it_does_not(PolicyAlgorithm algorithm)
    {
        var options = SomePolicy.Options(algorithm) with { Steps = 30, BatchSize = 60, LearningRate = 0.06, KlCoefficient = 0 };
        double Gain(NullRewards kind)
        {
            var (result, lines) = Train(options with { NullRewards = kind });
            using (result) return lines.TakeLast(5).Average(l => l.Reward) - lines[0].Reward;
        }
        double real = Gain(NullRewards.None), flipped = Gain(NullRewards.Flip), shuffled = Gain(NullRewards.Shuffle);
        Assert.True(real > 0.08, $"gained {real}");
        Assert.True(Math.Abs(flipped) < real / 2, $"{flipped} against {real}");
        Assert.True(Math.Abs(shuffled) < real / 2, $"{shuffled} against {real}");
    }

    [Fact]
    public void Credit_of_single_tokens_teaches_ppo_as_well()
    {
        using var rewards = SomePolicy.LowTokens(perToken: true);
        var (result, lines) = Train(SomePolicy.Options(PolicyAlgorithm.Ppo) with { Steps = 30, BatchSize = 60, LearningRate = 0.06, KlCoefficient = 0 }, rewards: rewards);
        using (result) Assert.True(lines.TakeLast(5).Average(l => l.Reward) > lines[0].Reward + 0.08);
    }

    [Fact]
    public void The_logged_kl_is_what_fresh_passes_over_the_sampled_texts_come_to()
    {
        using var scope = NewDisposeScope();
        var options = SomePolicy.Options(PolicyAlgorithm.Rloo) with { Epochs = 3, LearningRate = 0.05 };
        var (_, lines) = Train(options with { Steps = 2 });
        var learnt = Train(options with { Steps = 1 }).Result.Adapter;
        using var noGradient = no_grad();
        using var rewards = SomePolicy.LowTokens();
        var policy = learnt.Tap();
        var rollout = new PolicyTask(model, learnt, SomeTexts.Tokenizer, prompts, rewards, options).Sample(1, atRest: false, default);
        double k1 = 0, full = 0;
        for (int row = 0; row < options.BatchSize; row++)
        {
            int first = rollout.Prompts[row].Tokens.Length;
            long[] ids = [.. rollout.Prompts[row].Tokens, .. rollout.Responses[row]];
            Tensor LogP(Tap? tap) => model.Forward(tensor(ids).unsqueeze(0), tap)[0].to(ScalarType.Float64).log_softmax(-1);
            var (p, q) = (LogP(policy), LogP(null));
            for (int t = first; t < ids.Length; t++)
            {
                k1 += (p[t - 1, ids[t]] - q[t - 1, ids[t]]).item<double>();
                full += (p[t - 1].exp() * (p[t - 1] - q[t - 1])).sum().item<double>();
            }
        }
        Assert.True(full > 0.01);
        Assert.Equal(k1 / options.BatchSize, lines[1].Kl, 1e-4);
        Assert.Equal(full / options.BatchSize, lines[1].FullKl, 1e-4);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void A_run_that_was_stopped_and_resumed_ends_bit_equal(PolicyAlgorithm algorithm)
    {
        var options = SomePolicy.Options(algorithm) with { Steps = 5, KlTarget = 0.05, KlHorizon = 60, CheckpointEverySteps = 3 };
        string whole = Path.Combine(folder, "whole"), cut = Path.Combine(folder, "cut"), killed = Path.Combine(folder, "killed");
        Train(options, whole).Result.Dispose();

        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Train(options, cut, told: line =>
        {
            if (line.Step == 2) source.Cancel();
        }, cancellation: source.Token));
        Train(options, cut).Result.Dispose();

        // Killed after step 4: the last checkpoint is of step 3, the files already have step 4.
        Assert.Throws<NotSupportedException>(() => Train(options, killed, told: line =>
        {
            if (line.Step == 4) throw new NotSupportedException();
        }));
        Train(options with { SamplesPerStep = 4 }, killed).Result.Dispose();

        byte[] Checkpoint(string run) => File.ReadAllBytes(Path.Combine(run, "checkpoint.safetensors"));
        List<string> Metrics(string run) => [.. MetricsFile.Read<PolicyProgress>(Path.Combine(run, "metrics.jsonl")).Select(Timeless)];
        foreach (string run in (string[])[cut, killed])
        {
            Assert.Equal(Checkpoint(whole), Checkpoint(run));
            Assert.Equal(Metrics(whole), Metrics(run));
            Assert.Equal(File.ReadAllText(Path.Combine(whole, "samples.jsonl")), File.ReadAllText(Path.Combine(run, "samples.jsonl")));
            Assert.Equal(File.ReadAllBytes(Path.Combine(whole, DialTrajectory.FileName)), File.ReadAllBytes(Path.Combine(run, DialTrajectory.FileName)));
        }
        Assert.Equal(20, File.ReadLines(Path.Combine(whole, "samples.jsonl")).Count());
    }

    [Fact]
    public void A_reward_that_fails_ends_the_run_and_nothing_is_lost()
    {
        var options = SomePolicy.Options(PolicyAlgorithm.Ppo) with { CheckpointEverySteps = 100 };
        int calls = 0;
        using var failing = new WeightedRewards((new DelegateReward("low_tokens", texts => ++calls == 3 ? throw new InvalidOperationException("the judge died")
            : [.. texts.Select(t => new RewardScore((double)t.Tokens.Count(id => id < 130) / t.Tokens.Length))]), 1));
        Assert.Contains("the judge died", Assert.Throws<InvalidOperationException>(() => Train(options, folder, failing)).Message, StringComparison.Ordinal);
        var (resumed, lines) = Train(options, folder, failing);
        using var whole = Train(options).Result;
        using (resumed)
        {
            Assert.Equal([3L, 4L], lines.Select(l => l.Step));
            Assert.True(whole.Dials.Gamma.SameBits(resumed.Dials.Gamma));
        }
        Assert.Contains("another run: learning_rate was 0.02, now 1", Assert.Throws<InvalidDataException>(
            () => Train(options with { LearningRate = 1 }, folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_latents_that_may_move_are_moved()
    {
        using var result = Train(SomePolicy.Options(PolicyAlgorithm.Grpo), dials: new() { AllowLatents = [3, 5, 8], FreezeLatents = [5] }).Result;
        Assert.Equal([3, 8], Enumerable.Range(0, TinySae.DSae).Where(i => result.Dials.Gamma[i].item<float>() != 0));
        Assert.Equal(4, result.Result.TrainableParameters);
        using var evident = Train(SomePolicy.Options(PolicyAlgorithm.Grpo), dials: new() { MinFirings = 40 }).Result;
        Assert.InRange(evident.Result.TrainableParameters, 2, 2 * TinySae.DSae - 2);
    }

    [Fact]
    public void While_its_critic_warms_up_ppo_leaves_the_dials_at_rest()
    {
        var (result, lines) = Train(SomePolicy.Options(PolicyAlgorithm.Ppo) with { ValueWarmUpSteps = 3 });
        using (result)
        {
            Assert.Equal([0L, 0, 0], lines.Take(3).Select(l => l.LatentsChanged!.Value));
            Assert.True(lines[3].LatentsChanged > 0);
            Assert.True(lines[2].ValueLoss < lines[0].ValueLoss);
        }
    }

    [Fact]
    public void A_prompt_that_leaves_no_room_is_refused()
    {
        string Refusal(IReadOnlyList<RolloutPrompt> bad) => Assert.Throws<ArgumentException>(() => DialFits.Policy(model, TinySae.At, sae,
            SomePolicy.Options(PolicyAlgorithm.Rloo), null, bad, SomePolicy.LowTokens(), cancellation: TestContext.Current.CancellationToken)).Message;
        Assert.Contains("a prompt has 59 tokens; with 6 new ones it may have 1 to 58", Refusal([new("", new int[59])]), StringComparison.Ordinal);
        Assert.Contains("there is no prompt", Refusal([]), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void No_tensor_is_left_behind(PolicyAlgorithm algorithm)
    {
        var options = SomePolicy.Options(algorithm) with { KlTarget = 1 };
        Train(options).Result.Dispose();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Train(options).Result.Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static string Timeless(PolicyProgress line) =>
        Json.WriteLine(line with { TokensPerSecond = 0, SecondsGenerate = 0, SecondsScore = 0, SecondsUpdate = 0 });

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }

    private sealed class Lines(Action<PolicyProgress>? told) : IProgress<PolicyProgress>
    {
        public List<PolicyProgress> All { get; } = [];

        public void Report(PolicyProgress value)
        {
            All.Add(value);
            told?.Invoke(value);
        }
    }
}
