using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Bench;
using Parsimony.Cli.Commands;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plans of evaluate and finetune, which run the whole model with the SAE in it: memory by arithmetic, time from one layer and a few logits.</summary>
internal static class SplicedPlans
{
    private const int Float = sizeof(float), MeasuredTokens = 256, MeasuredLogits = 32;
    private const int SplicedTensors = 6; // of [tokens, d_sae]: pre-activations, latents before and after the dials, and their gradients
    private const string MeasuredOn = "one layer of the model, counted as often as layers run, and a few logits";

    /// <summary>The plan of fine-tuning the dials.</summary>
    /// <param name="saes">The SAEs in their model.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="examples">Tokens of all examples, training and held out.</param>
    /// <param name="heldOut">Tokens of the held-out ones.</param>
    public static ResourcePlan FineTuning(LoadedSaes saes, FinetuneOptions options, long examples, long heldOut)
    {
        var (sae, model, sft) = (saes.All.MinBy(s => (s.At.Layer, s.At.Site))!, saes.Model.Model, options.Sft);
        long latents = saes.All.Sum(s => (long)s.Sae.DSae);
        var config = model.Config;
        long batch = (long)sft.BatchSize * sft.SequenceLength, above = config.NLayers - sae.At.Layer - 1;
        bool recomputes = sft.Recompute ?? SftTrainer.KeepsTooMuch(model, sae.At, sft);
        var plan = new ResourcePlan
        {
            Memory = new Dictionary<string, long>(Weights(sae, options.Load))
            {
                [recomputes ? "one layer's pass, run again backward" : $"{above + 1} layers' passes, kept for backward"] = batch * SftTrainer.KeptNumbers(config) * Float * (recomputes ? 1 : above + 1)
                    + (recomputes ? above * batch * config.DModel * Float : 0),
                ["the SAE's pass"] = SplicedTensors * batch * latents * Float,
                ["logits"] = 3 * Math.Min(batch, RowByRow.Rows(config.DVocab)) * config.DVocab * Float,
                ["states below the hook"] = Math.Min(sft.PrefixCacheBytes, examples * 2 * config.DModel * Float),
            },
            DiskBytes = 20L * latents * Float, // dials and moments, twice, and the adapter
            DiskFree = Files.DiskSpace.Free(options.Folder),
            Tokens = sft.Steps * batch,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var (layer, logits, others) = Rates(model);
        double forward = above * layer + logits, step = batch * ((recomputes ? 3 : 2) * above * layer + 3 * logits);
        int runs = options.NullRun ? 2 : 1;
        return plan with
        {
            TrainingSeconds = Math.Round(runs * (sft.Steps * step + 3 * heldOut * forward) + examples * (sae.At.Layer + 1) * layer, 1),
            TrainingMeasuredOn = MeasuredOn,
            ForeignLoad = others,
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
            Memory = new Dictionary<string, long>(Weights(sae, options.Load))
            {
                ["a pass"] = batch * (SftTrainer.KeptNumbers(config) + (variants + 2) * config.DModel) * Float,
                ["the SAE's pass"] = 3 * batch * sae.Sae.DSae * Float,
                ["logits"] = 3 * Math.Min(batch, RowByRow.Rows(config.DVocab)) * config.DVocab * Float,
                ["states below the hook"] = Math.Min(Parsimony.Evaluation.SpliceEvaluation.DefaultPrefixCacheBytes, tokens * 2 * config.DModel * Float),
            },
            DiskBytes = 8 * (tokens + sae.Sae.DSae), // the checkpoint
            DiskFree = Files.DiskSpace.Free(folder ?? "."),
            Tokens = tokens,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var (layer, logits, others) = Rates(model);
        double spliced = (sae.At.Layer + 1 + variants * above) * layer + (variants + 1) * logits;
        double sweep = options.LayerSweep && sae.Metadata.HookOut is null
            ? Parsimony.Evaluation.LayerSweepCost.Of(config.NLayers, sae.At.Site).LayerPasses * layer + Parsimony.Evaluation.LayerSweepCost.Variants * config.NLayers * logits : 0;
        return plan with { TrainingSeconds = Math.Round(tokens * (spliced + sweep), 1), TrainingMeasuredOn = MeasuredOn, ForeignLoad = others };
    }

    private static Dictionary<string, long> Weights(LoadedSae sae, WeightOptions load)
    {
        var model = sae.Model.Model;
        var size = new ModelSize(model.Config, model.Storage);
        long layers = model.Config.NLayers * size.LayerBytes;
        return new()
        {
            ["embedding"] = size.EmbeddingBytes,
            [model.IsStreamed ? $"layers in {model.Storage.Name()}, the rest streamed" : $"{model.Config.NLayers} layers in {model.Storage.Name()}"] =
                model.IsStreamed ? Math.Max(size.LayerBytes, (load.Bytes(Native.TorchDevice.Cpu) ?? layers) - size.EmbeddingBytes - size.UnembeddingBytes) : layers,
            ["unembedding"] = size.UnembeddingBytes,
            ["SAE"] = sae.Sae.Weights.Values.Sum(t => t.numel()) * Float,
        };
    }

    /// <summary>Seconds a token takes in one layer, and its logits; and what others took of the cores meanwhile.</summary>
    private static (double Layer, double Logits, double? Others) Rates(Transformer model)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var load = new ForeignLoad();
        int length = Math.Min(128, model.Config.MaxSequenceLength), rows = Math.Max(1, MeasuredTokens / length);
        var ids = arange(rows * length, ScalarType.Int64).remainder(model.Config.DVocab).view(rows, length); // all different: only the first layer saves on repeated ones
        var entering = model.RunTo(new HookPoint(0, HookSite.ResidPre), ids);
        double layer = Seconds(() => model.RunTo(new HookPoint(0, HookSite.ResidPost), entering).Activation) / (rows * length);
        var some = entering.Activation.view(-1, model.Config.DModel).narrow(0, 0, Math.Min(MeasuredLogits, rows * length));
        double logits = Seconds(() => model.Unembed(some)) / some.size(0);
        return (layer, logits, load.Share() is var share && double.IsNaN(share) ? null : Math.Round(share, 2));
    }

    private static double Seconds(Func<Tensor> run)
    {
        run().Dispose(); // reads the weights
        var clock = Stopwatch.StartNew();
        run().Dispose();
        return clock.Elapsed.TotalSeconds;
    }
}
