using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Bench;
using Parsimony.Cli.Commands;
using Parsimony.Files.Hub;
using Parsimony.Models;
using Parsimony.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plans of harvest and train: memory and disk by arithmetic, time by running a few contexts and steps.</summary>
internal static class Plans
{
    private const int Float = sizeof(float);

    /// <summary>The plan of training SAEs, all from one stream. Nothing is measured.</summary>
    /// <param name="model">Shape of the model that is run; null for a cache.</param>
    /// <param name="source">The stream.</param>
    /// <param name="contexts">What it reads.</param>
    /// <param name="runs">The SAEs.</param>
    /// <param name="folder">Where they are written.</param>
    /// <param name="adapterBytes">What the adapter takes that the model is tuned by.</param>
    public static ResourcePlan Training(IModelConfig? model, ActivationBuffer source, IContextActivations contexts, IReadOnlyList<TrainOptions> runs, string folder, long adapterBytes = 0)
    {
        long parameters = runs.Sum(run => Parameters(run, source)), samples = runs.Sum(run => ResamplingSample(run, source)) * Float;
        return new ResourcePlan
        {
            Memory = new Dictionary<string, long>(model is null ? [] : Model(model, runs[0].Load, contexts, runs[0].Buffer.HarvestBatchContexts, adapterBytes))
            {
                ["activation buffer"] = source.Bytes,
                ["SAE weights"] = parameters * Float,
                ["optimiser moments"] = 2 * parameters * Float,
                ["gradients and a step"] = parameters * Float // one step's four [batch, d_sae]
                    + runs.Max(run => 4L * source.BatchTokens * run.Sae.LatentsFor(source.Width(run.ReadsAt())) * Float) + samples,
            },
            DiskBytes = (2 * 3 + 1) * parameters * Float + 2 * samples, // a checkpoint, the one that replaces it, the SAE
            DiskFree = Files.DiskSpace.Free(folder),
            Tokens = runs.Max(run => run.Sae.StepsFor(source.BatchTokens)) * source.BatchTokens,
        };
    }

    /// <summary>The plan of a harvest to disk. Nothing is measured.</summary>
    public static ResourcePlan Harvest(IModelConfig model, IContextActivations source, ActivationCacheManifest begun, HarvestOptions options, long adapterBytes = 0)
    {
        long shard = (long)Math.Min(begun.ContextsPerShard, begun.Contexts) * begun.SequenceLength;
        return new ResourcePlan
        {
            Memory = new Dictionary<string, long>(Model(model, options.Load, source, options.Cache.HarvestBatchContexts, adapterBytes))
            {
                ["a shard"] = shard * (begun.Hooks.Sum(h => (long)h.Width) * Float + begun.Hooks.Max(h => h.Width) * Float),
            },
            DiskBytes = ActivationCache.BytesToWrite(begun),
            DiskFree = Files.DiskSpace.Free(options.Out),
            Tokens = begun.Tokens - begun.Shards.Sum(s => (long)s.Contexts) * begun.SequenceLength,
        };
    }

    /// <summary>A plan with what is not on this machine; null: all is.</summary>
    public static ResourcePlan With(this ResourcePlan plan, Absences? absences) => absences is null ? plan
        : plan with { Absent = absences.Absent, DownloadFree = Files.DiskSpace.Free(HubSettings.FromEnvironment().Cache) };

    /// <summary>A plan with the time that a few contexts and a few steps of each SAE suggest.</summary>
    public static ResourcePlan Measured(this ResourcePlan plan, IContextActivations all, IReadOnlyList<TrainOptions> runs, bool isReadOnce, int batchContexts,
        CancellationToken cancellation)
    {
        var others = new ForeignLoad();
        var few = new FirstContexts(all, Math.Min(all.Contexts, Math.Max(batchContexts, runs.Count == 0 ? 0 : runs[0].Buffer.BatchTokens / all.SequenceLength + 1)));
        double perToken = all is AbsentModel absent ? absent.SecondsPerToken(batchContexts, cancellation) : SecondsPerToken(few, cancellation);
        plan = plan with
        {
            HarvestSeconds = Math.Round(perToken * (isReadOnce ? Math.Min(plan.Tokens, (long)all.Contexts * all.SequenceLength) : plan.Tokens), 1),
            HarvestMeasuredOn = all is AbsentModel ? "one layer of random weights in the model's true shape, counted as often as the model is deep"
                : $"the first {few.Contexts} contexts",
            TrainingSeconds = Math.Round(runs.Sum(run => TrainingTime.Seconds(run, few, cancellation)), 1),
            TrainingMeasuredOn = runs.Count == 0 ? null : TrainingTime.MeasuredOn(runs, areActivationsRandom: all is AbsentModel),
        };
        return others.Share() is var share && double.IsNaN(share) ? plan : plan with { ForeignLoad = Math.Round(share, 2) };
    }

    /// <summary>Seconds a token takes to be read.</summary>
    private static double SecondsPerToken(FirstContexts few, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var rows = few.Hooks.ToDictionary(at => at, at => empty((long)few.Contexts * few.SequenceLength, few.Width(at)));
        long[] numbers = [.. Enumerable.Range(0, few.Contexts).Select(c => (long)c)];
        few.Read(numbers, rows, cancellation); // reads the weights, too
        var clock = Stopwatch.StartNew();
        few.Read(numbers, rows, cancellation);
        return clock.Elapsed.TotalSeconds / ((long)few.Contexts * few.SequenceLength);
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

    /// <summary>Weights down to the deepest hook point, what a forward pass needs (about three MLP widths and six of the model a token), and the text's ids.</summary>
    private static Dictionary<string, long> Model(IModelConfig model, WeightOptions load, IContextActivations contexts, int batchContexts, long adapterBytes)
    {
        int deepest = contexts.Hooks.Max(h => h.Layer);
        var size = new ModelSize(model, load.Weights ?? WeightStorage.Fp32);
        return new(adapterBytes == 0 ? [] : [new("adapter", adapterBytes)])
        {
            ["embedding"] = size.EmbeddingBytes,
            [deepest == 0 ? "layer 0" : $"layers 0 to {deepest}"] = (deepest + 1) * size.LayerBytes,
            ["a forward pass"] = Math.Min(batchContexts, contexts.Contexts) * (long)contexts.SequenceLength * (3L * model.DMlp + 6 * model.DModel) * Float,
            ["text"] = (long)contexts.Contexts * contexts.SequenceLength * sizeof(int),
        };
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
}
