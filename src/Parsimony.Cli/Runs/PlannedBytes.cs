using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Native;

namespace Parsimony.Cli.Runs;

/// <summary>Bytes of what the plans of evaluating and learning through a whole model are made of, by arithmetic.</summary>
internal static class PlannedBytes
{
    /// <summary>Bytes of a number.</summary>
    public const int Float = sizeof(float);

    private const int SplicedTensors = 6; // of [tokens, d_sae]: pre-activations, latents before and after the dials, and their gradients
    private const int LearntTensors = 4; // of a parameter's shape: itself, its gradient, two moments

    /// <summary>The model's weights as they are kept, and SAEs.</summary>
    /// <param name="loaded">The model.</param>
    /// <param name="saes">The SAEs.</param>
    /// <param name="load">How its weights are kept.</param>
    /// <param name="layers">How many layers are run, the first ones; null: all, to the logits.</param>
    public static Dictionary<string, long> Weights(LoadedModel loaded, IEnumerable<ISparseAutoencoder> saes, WeightOptions load, int? layers = null)
    {
        var model = loaded.Model;
        var size = new ModelSize(model.Config, model.Storage);
        int run = layers ?? model.Config.NLayers;
        long all = run * size.LayerBytes, stay = !model.IsStreamed || load.Bytes(TorchDevice.Cpu) is not { } most ? all : Math.Max(size.LayerBytes, most - size.EmbeddingBytes - size.UnembeddingBytes);
        var bytes = new Dictionary<string, long>
        {
            ["embedding"] = size.EmbeddingBytes,
            [stay < all ? $"layers in {model.Storage.Name()}, the rest streamed" : $"{run} layers in {model.Storage.Name()}"] = Math.Min(stay, all),
        };
        if (layers is null) bytes["unembedding"] = size.UnembeddingBytes;
        if (saes.Sum(s => s.Weights.Values.Sum(t => t.numel())) is > 0 and var numbers) bytes["SAE"] = numbers * Float;
        return bytes;
    }

    /// <summary>What is learned, with its gradient and the optimiser's moments.</summary>
    public static long Learnt(long parameters) => LearntTensors * parameters * Float;

    /// <summary>What a pass that is not learned from holds at once: one layer's numbers.</summary>
    public static long Pass(IModelConfig config, long tokens) => tokens * SftTrainer.KeptNumbers(config) * Float;

    /// <summary>What the backward pass needs of the layers from a hook point on.</summary>
    public static KeyValuePair<string, long> Backward(IModelConfig config, HookPoint at, long tokens, bool recomputes)
    {
        long layers = config.NLayers - at.Layer;
        return recomputes ? new("one layer's pass, run again backward", Pass(config, tokens) + (layers - 1) * tokens * config.DModel * Float)
            : new($"{layers} layers' passes, kept for backward", layers * Pass(config, tokens));
    }

    /// <summary>What an SAE with its dials makes of tokens, and the gradients of that.</summary>
    public static long Spliced(long tokens, long latents) => SplicedTensors * tokens * latents * Float;

    /// <summary>The logits that exist at once, with what they become and its gradient.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="tokens">How many are predicted.</param>
    /// <param name="tensors">How many tensors of them exist.</param>
    public static long Logits(IModelConfig config, long tokens, int tensors = 3) => tensors * Math.Min(tokens, RowByRow.Rows(config.DVocab)) * config.DVocab * Float;

    /// <summary>States below a hook point, of so many tokens within a budget.</summary>
    public static long States(IModelConfig config, HookPoint at, long tokens, long budget = long.MaxValue) => Math.Min(budget, tokens * HookState.BytesPerToken(config, at));

    /// <summary>Disk: a checkpoint for each run, the one that replaces it, and the adapter.</summary>
    public static long Disk(long parameters, int runs) => (3L * (runs + 1) + 1) * parameters * Float;
}
