using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench finetune</c> measures.</summary>
public sealed record FinetuneBenchOptions
{
    /// <summary>Latents of the SAE in the middle layer, 1 or more. Default 1536, the demo's.</summary>
    [Description("latents of the SAE in the middle layer")]
    public int DSae { get; init; } = 1536;

    /// <summary>Steps of an SFT epoch, 1 or more. Default 8.</summary>
    [Description("steps of an SFT epoch, of 8 contexts of 128 tokens each")]
    public int Steps { get; init; } = 8;

    /// <summary>Responses of a PPO batch, 4 or more. Default 64.</summary>
    [Description("responses of a PPO batch, 24 tokens each to prompts of 24")]
    public int Responses { get; init; } = 64;

    /// <summary>Rounds, 1 or more. Default 5.</summary>
    [Description("rounds")]
    public int Rounds { get; init; } = 5;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public FinetuneBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(DSae >= 1, "d_sae", DSae, "1 or more");
        faults.Check(Steps >= 1, "steps", Steps, "1 or more");
        faults.Check(Responses >= 4, "responses", Responses, "4 or more");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.ThrowIfAny("the options of bench finetune");
        return this;
    }
}

/// <summary>What came of it; each ratio is the median over rounds of two variants timed in turns.</summary>
/// <param name="Hook">The hook point, in the middle of the model.</param>
/// <param name="SftEpochRatio">An epoch with the states below the hook kept / the same, bit by bit, with <c>--prefix-cache 0</c>.</param>
/// <param name="SftEpochRatioBatched">The same / an epoch that runs the states below the hook batch by batch instead of sequence by sequence: faster, and other bits in other batches.
/// Backward as dear as forward, and a hook in the middle, leave 2/3 at best; with a wide vocabulary more.</param>
/// <param name="PpoUpdateRatio">The epochs of a PPO step with the prefix run once / with it run in each epoch.</param>
/// <param name="GenerationRatio">Tokens per second of 32 sequences at once with keys and values kept / of one at a time without; prompts of 24 tokens, as many new ones as <c>generate</c> makes.</param>
/// <param name="SftTokensPerSecond">Tokens learnt from per second, prefix kept.</param>
/// <param name="GenerationTokensPerSecond">Tokens sampled per second, 32 at once.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
public sealed record FinetuneBenchRow(
    string Hook, double SftEpochRatio, double SftEpochRatioBatched, double PpoUpdateRatio, double GenerationRatio, double SftTokensPerSecond, double GenerationTokensPerSecond, double ForeignLoad);

/// <summary>What reusing the frozen prefix and the cache of keys and values is worth.</summary>
public static class FinetuneBench
{
    private const int BatchSize = 8, SequenceLength = 128, PromptTokens = 24, NewTokens = 24, Epochs = 4, Minibatches = 4, AtOnce = 32;
    private const double Density = 0.025;

    /// <summary>Measures a model.</summary>
    /// <param name="model">Any, with two layers or more.</param>
    /// <param name="options">Sizes and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two variants.</param>
    public static FinetuneBenchRow Measure(Transformer model, FinetuneBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var at = new HookPoint(model.Config.NLayers / 2, HookSite.MlpOut);
        var random = new Random(1);
        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(model.Config.DVocab))];
        SftExample[] examples = [.. Enumerable.Range(0, options.Steps * BatchSize).Select(_ => new SftExample(Tokens(SequenceLength), 1))];
        RolloutPrompt[] prompts = [.. Enumerable.Range(0, options.Responses).Select(_ => new RolloutPrompt("", Tokens(PromptTokens)))];
        using var sae = Sparse(model, at, options.DSae, examples[..Math.Min(examples.Length, 8)]);
        using var adapter = new DialAdapter(model, [new(at, sae)], new());
        using var optimiser = new AdapterOptimiser(adapter, 1e-6, 0);
        using var kept = new PrefixCache(model, at, long.MaxValue);
        using var none = new PrefixCache(model, at, 0);
        var rounds = new List<(double Sft, double Batched, double Ppo, double Generation, double SftRate, double GenerationRate)>();
        var load = new ForeignLoad();
        for (int round = -1; round < options.Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (round == 0) load = new ForeignLoad();                                            // round -1 warms up, and fills the cache
            double reused = Seconds(() => Epoch(examples, batch => kept.Batch(batch.Rows)));
            double anew = Seconds(() => Epoch(examples, batch => none.Batch(batch.Rows))), batched = Seconds(() => Epoch(examples, batch => Whole(model, at, batch)));
            var (updateReused, updateAnew) = Updates();
            double cachedRate = Rate(AtOnce, useCache: true), plainRate = Rate(1, useCache: false);
            if (round >= 0) rounds.Add((reused / anew, reused / batched, updateReused / updateAnew, cachedRate / plainRate, examples.Length * SequenceLength / reused, cachedRate));
            roundDone?.Invoke(round + 1);
        }
        double Middle(Func<(double Sft, double Batched, double Ppo, double Generation, double SftRate, double GenerationRate), double> of) => Median.Of(rounds.Select(of));
        return new FinetuneBenchRow(at.ToString(), Middle(r => r.Sft), Middle(r => r.Batched), Middle(r => r.Ppo), Middle(r => r.Generation), Middle(r => r.SftRate), Middle(r => r.GenerationRate), load.Share());

        void Epoch(SftExample[] all, Func<SftBatch, HookState> prefix)
        {
            foreach (var some in all.Chunk(BatchSize))
            {
                using var step = NewDisposeScope();
                var batch = new SftBatch(some);
                var loss = batch.LossSum(model, model.ResidualFrom(prefix(batch), adapter.Tap())) / batch.Targets;
                optimiser.Step(Gradients.Of(loss, optimiser.Parameters));
            }
        }

        (double Reused, double Anew) Updates()
        {
            using var step = NewDisposeScope();
            var rollout = Rollout.Draw(model, adapter.Tap(), prompts, new SamplingOptions { MaxNewTokens = NewTokens, Temperature = 1, Seed = 1 }, null, cancellation);
            using var frozen = new FrozenRollout(model, adapter, rollout, 1);
            long[][] rows = [.. Enumerable.Range(0, options.Responses).Select(i => (long)i).Chunk(Math.Max(1, options.Responses / Minibatches))];
            var scores = frozen.Score(rows, keepHidden: false);
            double once = Seconds(() =>
            {
                for (int epoch = 0; epoch < Epochs; epoch++) UpdateAll(frozen);
            });
            double each = Seconds(() =>
            {
                for (int epoch = 0; epoch < Epochs; epoch++)
                {
                    using var again = new FrozenRollout(model, adapter, rollout, 1);
                    UpdateAll(again);
                }
            });
            return (once, each);

            void UpdateAll(FrozenRollout from)
            {
                foreach (long[] some in rows)
                {
                    using var update = NewDisposeScope();
                    var these = tensor(some, device: model.Device);
                    var old = scores.LogProbs.index_select(0, these);
                    var loss = PolicyLoss.Of(from.LogProbs(some), old, ones_like(old), rollout.Mask.index_select(0, these), 0.2);
                    optimiser.Step(Gradients.Of(loss.Loss, optimiser.Parameters));
                }
            }
        }

        double Rate(int sequences, bool useCache)
        {
            var sampling = new SamplingOptions { Temperature = 1, Seed = 1, UseCache = useCache };
            using var noGradient = no_grad();
            using var step = NewDisposeScope();
            int[][] asked = [.. Enumerable.Range(0, AtOnce).Select(i => prompts[i % prompts.Length].Tokens)];
            double seconds = Seconds(() =>
            {
                foreach (var some in asked.Chunk(sequences)) Generation.Generate(model, some, sampling, adapter.Tap(), cancellation: cancellation);
            });
            return AtOnce * sampling.MaxNewTokens / seconds;
        }
    }

    // A newborn SAE of which as many latents fire as of the demo's.
    private static StandardSae Sparse(Transformer model, HookPoint at, int dSae, SftExample[] examples)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return NewbornSae.Of(dSae, Density, cat(examples.Select(e => model.Activations(at, tensor(e.Tokens.Select(id => (long)id).ToArray()).unsqueeze(0))).ToList(), 0).view(-1, model.Width(at.Site)));
    }

    private static HookState Whole(Transformer model, HookPoint at, SftBatch batch)
    {
        using var noGradient = no_grad();
        return model.RunTo(at, tensor((long[])[.. batch.Rows.SelectMany(r => r).Select(id => (long)id)]).view(batch.Rows.Count, -1));
    }

    private static double Seconds(Action run)
    {
        long started = Stopwatch.GetTimestamp();
        using var withGradient = enable_grad();
        run();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
