using Parsimony.Cli.Commands;
using Parsimony.Evaluation;
using Parsimony.FineTuning;
using Parsimony.Models;
using static Parsimony.Cli.Runs.PlannedBytes;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plans of evaluate and finetune, which run the whole model with the SAE in it: memory by arithmetic, time from one layer and a few logits.</summary>
internal static class SplicedPlans
{
    /// <summary>The plan of fine-tuning.</summary>
    /// <param name="saes">The SAEs in their model.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="examples">Tokens of all examples, training and held out.</param>
    /// <param name="heldOut">Tokens of the held-out ones.</param>
    public static ResourcePlan FineTuning(LoadedSaes saes, FinetuneOptions options, long examples, long heldOut)
    {
        var (model, sft, learner) = (saes.Model.Model, options.Sft, LearnerSize.Of(saes, options.Dials, options.Baseline));
        var config = model.Config;
        long batch = (long)sft.BatchSize * sft.SequenceLength, above = learner.LayersAbove(config);
        int runs = options.NullRun ? 2 : 1;
        bool recomputes = sft.Recompute ?? SftTrainer.KeepsTooMuch(model, learner.At, sft);
        var plan = new ResourcePlan
        {
            Memory = new Dictionary<string, long>([.. Weights(saes.Model, saes.All.Select(s => s.Sae), options.Load), Backward(config, learner.At, batch, recomputes)])
            {
                ["the SAE's pass"] = Spliced(batch, learner.Latents),
                ["logits"] = Logits(config, batch),
                ["what is learned and its optimiser"] = Learnt(learner.Parameters),
                ["states below the hook"] = States(config, learner.At, examples, sft.PrefixCacheBytes),
            },
            DiskBytes = Disk(learner.Parameters, runs),
            DiskFree = Files.DiskSpace.Free(options.Folder),
            Tokens = sft.Steps * batch,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var rates = LayerRates.Of(model);
        double forward = above * rates.Layer + rates.Logits, step = batch * ((recomputes ? 3 : 2) * above * rates.Layer + 3 * rates.Logits);
        return plan with
        {
            TrainingSeconds = Math.Round(runs * (sft.Steps * step + 3 * heldOut * forward) + examples * (learner.At.Layer + 1) * rates.Layer, 1),
            TrainingMeasuredOn = LayerRates.MeasuredOn,
            ForeignLoad = rates.Others,
        };
    }

    /// <summary>The plan of an evaluation.</summary>
    /// <param name="sae">The SAE in its model.</param>
    /// <param name="options">The command's options, resolved.</param>
    /// <param name="tokens">Tokens of the text, as often as they are run.</param>
    /// <param name="folder">Where the report goes; null: nowhere.</param>
    public static ResourcePlan Evaluation(LoadedSae sae, EvaluateOptions options, long tokens, string? folder)
    {
        const int variants = 4; // plain, spliced, zeros, mean
        var model = sae.Model.Model;
        var config = model.Config;
        long batch = (long)options.BatchContexts!.Value * options.SequenceLength!.Value, above = config.NLayers - sae.At.Layer - 1;
        var plan = new ResourcePlan
        {
            Memory = new Dictionary<string, long>(Weights(sae.Model, [sae.Sae], options.Load))
            {
                ["a pass"] = Pass(config, batch) + batch * (variants + 2) * config.DModel * Float,
                ["the SAE's pass"] = 3 * batch * sae.Sae.DSae * Float,
                ["logits"] = Logits(config, batch),
                ["states below the hook"] = States(config, sae.At, tokens, SpliceEvaluation.DefaultPrefixCacheBytes),
            },
            DiskBytes = 8 * (tokens + sae.Sae.DSae), // the checkpoint
            DiskFree = Files.DiskSpace.Free(folder ?? "."),
            Tokens = tokens,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var rates = LayerRates.Of(model);
        double spliced = (sae.At.Layer + 1 + variants * above) * rates.Layer + (variants + 1) * rates.Logits;
        double sweep = options.LayerSweep && sae.Metadata.HookOut is null
            ? LayerSweepCost.Of(config.NLayers, sae.At.Site).LayerPasses * rates.Layer + LayerSweepCost.Variants * config.NLayers * rates.Logits : 0;
        return plan with { TrainingSeconds = Math.Round(tokens * (spliced + sweep), 1), TrainingMeasuredOn = LayerRates.MeasuredOn, ForeignLoad = rates.Others };
    }
}
