using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Cli.Commands;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plans of harvest and train: memory and disk by arithmetic, time by running a few contexts and steps.</summary>
internal static class Plans
{
    private const int Float = sizeof(float), MeasuredSteps = 4;

    /// <summary>The plan of training SAEs, all from one stream. Nothing is measured.</summary>
    public static ResourcePlan Training(TrainingData data, ActivationBuffer source, IReadOnlyList<TrainOptions> runs, string folder)
    {
        long[] parameters = [.. runs.Select(run => Parameters(run, source))];
        long samples = runs.Sum(run => ResamplingSample(run, source)) * Float;
        long tokens = runs.Max(run => run.Sae.StepsFor(source.BatchTokens)) * source.BatchTokens;
        return new ResourcePlan
        {
            Memory = new Dictionary<string, long>
            {
                ["model and text"] = data.Model is null ? 0 : Model(data.Model, source.Hooks, data.Activations, runs[0].Buffer.HarvestBatchContexts),
                ["activations"] = source.Bytes,
                // Weights, two moments and a gradient each; one step's four [batch, d_sae].
                ["SAE"] = parameters.Sum(p => 4 * p * Float) + samples + runs.Max(run => 4L * source.BatchTokens * run.Sae.LatentsFor(source.Width(run.ReadsAt())) * Float),
            },
            DiskBytes = parameters.Sum(p => (2 * 3 + 1) * p * Float) + 2 * samples, // a checkpoint, the one that replaces it, the SAE
            DiskFree = Files.DiskSpace.Free(folder),
            Tokens = tokens,
        };
    }

    /// <summary>The plan of a harvest to disk. Nothing is measured.</summary>
    public static ResourcePlan Harvest(Transformer model, IContextActivations source, ActivationCacheManifest begun, HarvestOptions options)
    {
        long shard = (long)Math.Min(begun.ContextsPerShard, begun.Contexts) * begun.SequenceLength;
        return new ResourcePlan
        {
            Memory = new Dictionary<string, long>
            {
                ["model and text"] = Model(model, source.Hooks, source, options.Cache.HarvestBatchContexts),
                ["a shard"] = shard * (begun.Hooks.Sum(h => (long)h.Width) * Float + begun.Hooks.Max(h => h.Width) * Float),
            },
            DiskBytes = ActivationCache.BytesToWrite(begun),
            DiskFree = Files.DiskSpace.Free(options.Out),
            Tokens = begun.Tokens - begun.Shards.Sum(s => (long)s.Contexts) * begun.SequenceLength,
        };
    }

    /// <summary>A plan with the time that a few contexts and a few steps of each SAE suggest.</summary>
    public static ResourcePlan Measured(this ResourcePlan plan, IContextActivations all, IReadOnlyList<TrainOptions> runs, bool isReadOnce, int batchContexts,
        CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var few = new FirstContexts(all, Math.Min(all.Contexts, Math.Max(batchContexts, runs.Count == 0 ? 0 : runs[0].Buffer.BatchTokens / all.SequenceLength + 1)));
        var rows = few.Hooks.ToDictionary(at => at, at => empty((long)few.Contexts * few.SequenceLength, few.Width(at)));
        long[] numbers = [.. Enumerable.Range(0, few.Contexts).Select(c => (long)c)];
        few.Read(numbers, rows, cancellation); // reads the weights, too
        var clock = Stopwatch.StartNew();
        few.Read(numbers, rows, cancellation);
        double secondsPerToken = clock.Elapsed.TotalSeconds / ((long)few.Contexts * few.SequenceLength);
        return plan with
        {
            HarvestSeconds = Math.Round(secondsPerToken * (isReadOnce ? Math.Min(plan.Tokens, (long)all.Contexts * all.SequenceLength) : plan.Tokens), 1),
            TrainingSeconds = Math.Round(runs.Sum(run => StepSeconds(run, few, cancellation) * run.Sae.StepsFor(run.Buffer.BatchTokens)), 1),
        };
    }

    /// <summary>Seconds of one of the first steps, its share of logging included.</summary>
    private static double StepSeconds(TrainOptions run, IContextActivations few, CancellationToken cancellation)
    {
        var options = run.Sae with { TrainingTokens = 2L * MeasuredSteps * run.Buffer.BatchTokens, LogEverySteps = MeasuredSteps };
        using var source = new ActivationBuffer(few, run.Buffer with { BufferTokens = Math.Max(run.Buffer.BatchTokens, few.Contexts * few.SequenceLength) });
        using var trainer = TrainCommand.NewTrainer(run with { Sae = options }, source, null);
        var moments = new Moments();
        trainer.Train(moments, cancellation).Dispose();
        return (moments.Last - moments.First) / (double)Stopwatch.Frequency / MeasuredSteps;
    }

    private static long Parameters(TrainOptions run, ActivationBuffer source)
    {
        long reads = source.Width(run.ReadsAt()), writes = source.Width(run.Hook), latents = run.Sae.LatentsFor((int)reads);
        return (reads + writes) * latents + 3 * latents + writes + (run.Sae.SkipConnection ? reads * writes : 0); // at most three biases or thresholds a latent
    }

    /// <summary>What dead latents may be turned to: at most an input, and for a transcoder an output, for each latent.</summary>
    private static long ResamplingSample(TrainOptions run, ActivationBuffer source)
    {
        if (run.Sae is not { Resampling: DeadLatentCure.Anthropic or DeadLatentCure.DictionaryLearning, ResampleEverySteps: > 0 }) return 0;
        int reads = source.Width(run.ReadsAt());
        return run.Sae.LatentsFor(reads) * (long)(reads + (run.ReadsAt() == run.Hook ? 0 : source.Width(run.Hook)));
    }

    /// <summary>Weights down to the deepest hook point, the text's ids, and what a forward pass needs: about three MLP widths and six of the model a token.</summary>
    private static long Model(Transformer model, IReadOnlyList<HookPoint> hooks, IContextActivations contexts, int batchContexts)
    {
        var c = model.Config;
        long d = c.DModel, layers = hooks.Max(h => h.Layer) + 1, weights = c.DVocab * d + layers * (2 * d * c.DHead * (c.NHeads + c.NKvHeads) + (c.GatedMlp ? 3 : 2) * d * c.DMlp);
        long pass = Math.Min(batchContexts, contexts.Contexts) * (long)contexts.SequenceLength * (3L * c.DMlp + 6 * d);
        return (weights + pass) * Float + (long)contexts.Contexts * contexts.SequenceLength * sizeof(int);
    }

    /// <summary>The beginning of a text or a cache.</summary>
    private sealed class FirstContexts(IContextActivations all, int count) : IContextActivations
    {
        public IReadOnlyList<HookPoint> Hooks => all.Hooks;

        public int Contexts => count;

        public int SequenceLength => all.SequenceLength;

        public int Width(HookPoint at) => all.Width(at);

        public void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation) => all.Read(contexts, rows, cancellation);
    }

    private sealed class Moments : IProgress<TrainingProgress>
    {
        public long First { get; private set; }

        public long Last { get; private set; }

        public void Report(TrainingProgress value) => (First, Last) = (Last, Stopwatch.GetTimestamp());
    }
}
