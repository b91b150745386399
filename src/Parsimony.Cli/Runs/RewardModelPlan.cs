using System.Diagnostics;
using Parsimony.Cli.Commands;
using Parsimony.FineTuning.Rewards.Trained;
using TorchSharp;
using static Parsimony.Cli.Runs.PlannedBytes;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plan of learning a reward model: memory by arithmetic, time from one layer of the model and a few steps of a head on random numbers.</summary>
internal static class RewardModelPlan
{
    private const int Doubles = sizeof(double) / Float, MeasuredSteps = 8;

    /// <summary>The plan.</summary>
    /// <param name="model">The model that reads.</param>
    /// <param name="sae">The SAE whose latents are read; null: none.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="train">What is learned from.</param>
    /// <param name="heldOut">What is measured on.</param>
    /// <exception cref="ArgumentException">There is nothing to learn from, or the hook point or the SAE does not fit the model.</exception>
    public static ResourcePlan Of(LoadedModel model, LoadedSae? sae, RewardModelOptions options, RewardData train, RewardData heldOut)
    {
        if (train.Count == 0) throw new ArgumentException("there is nothing to learn from.");
        var (config, head, at) = (model.Model.Config, options.Head, sae?.At ?? options.Head.Hook);
        long width = new RewardReader(model.Model, at, sae?.Sae, head.Pooling).Width, outputs = Math.Max(1, train.Classes.Count), parameters = (width + 1) * outputs;
        List<JudgedText> texts = [.. train.Texts, .. heldOut.Texts];
        long longest = texts.Max(t => t.Tokens.Length), tokens = texts.Sum(t => (long)t.Tokens.Length), kept = Math.Min(texts.Count, head.TextCacheBytes / (Float * width));
        int layers = at?.Layer + 1 ?? config.NLayers;
        var plan = new ResourcePlan
        {
            Memory = new Dictionary<string, long>(Weights(model, sae is null ? [] : [sae.Sae], options.Load, layers))
            {
                ["a pass"] = Pass(config, longest) + (sae is null ? 0 : 2 * longest * sae.Sae.DSae * Float),
                ["what was read of the texts"] = kept * width * Float,
                ["means and deviations"] = (2 * Doubles + 2) * width * Float,
                ["a batch"] = 2L * Math.Max(head.BatchSize, RewardHeadTrainer.Chunk) * train.TextsOfOne * width * Float,
                ["what is learned and its optimiser"] = Learnt(parameters),
            },
            DiskBytes = Disk(parameters, runs: 1),
            DiskFree = Files.DiskSpace.Free(options.Out),
            Tokens = tokens,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var rates = LayerRates.Of(model.Model);
        int runs = head.NullRun && heldOut.Count > 0 ? 2 : 1;
        double again = (double)(texts.Count - kept) / texts.Count * runs * (head.Epochs + 2); // what is not kept is read in each epoch and at each measurement
        return plan with
        {
            HarvestSeconds = Math.Round((1 + again) * tokens * layers * rates.Layer, 1),
            HarvestMeasuredOn = "one layer of the model, counted as often as it is deep up to where it is read",
            TrainingSeconds = Math.Round(runs * head.Steps(train.Count) * StepSeconds(train, head, (int)outputs, (int)width), 1),
            TrainingMeasuredOn = $"{MeasuredSteps} steps of a head of this size on random numbers",
            ForeignLoad = rates.Others,
        };
    }

    private static double StepSeconds(RewardData train, RewardHeadOptions options, int outputs, int width)
    {
        using var scope = NewDisposeScope();
        using var withGradient = enable_grad();
        var items = RewardItems.Of(train, 0);
        var batch = items.Some(Enumerable.Range(0, options.BatchSize).Select(i => i % items.Count));
        var read = randn(batch.TextOf.Length, width);
        using var run = new RewardHeadRun(RewardHead.Create(outputs, width, options.Birth, options.Seed), options, items, null, new Dictionary<string, string>());
        Step(); // allocates
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < MeasuredSteps; i++) Step();
        return clock.Elapsed.TotalSeconds / MeasuredSteps;

        void Step()
        {
            using var inner = NewDisposeScope();
            run.Update(RewardBatch.Of(run.Head.Values(read), batch.Labels, options));
        }
    }
}
