using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>Weights of Pythia 70M's shape, drawn when they are asked for: speed does not depend on what a model has learned.</summary>
internal sealed class RandomPythia : IWeightSource
{
    private readonly Dictionary<string, long[]> shapes = [];

    /// <summary>Pythia 70M: 6 layers, d_model 512, 8 heads, d_mlp 2048, 50,304 tokens.</summary>
    public static GptNeoXConfig Config { get; } = new()
    { NLayers = 6, DModel = 512, DMlp = 2048, NHeads = 8, DVocab = 50304, MaxSequenceLength = 2048 };

    public RandomPythia()
    {
        var c = Config;
        shapes["gpt_neox.embed_in.weight"] = shapes["embed_out.weight"] = [c.DVocab, c.DModel];
        Both("gpt_neox.final_layer_norm", c.DModel);
        for (int i = 0; i < c.NLayers; i++)
        {
            string layer = $"gpt_neox.layers.{i}.";
            Both(layer + "input_layernorm", c.DModel);
            Both(layer + "post_attention_layernorm", c.DModel);
            Both(layer + "attention.query_key_value", 3 * c.DModel, c.DModel);
            Both(layer + "attention.dense", c.DModel, c.DModel);
            Both(layer + "mlp.dense_h_to_4h", c.DMlp, c.DModel);
            Both(layer + "mlp.dense_4h_to_h", c.DModel, c.DMlp);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => shapes.Keys;

    /// <inheritdoc/>
    public string? Sha256 => null;

    /// <inheritdoc/>
    public bool Contains(string name) => shapes.ContainsKey(name);

    /// <inheritdoc/>
    public IReadOnlyList<long> Shape(string name) => shapes[name];

    /// <inheritdoc/>
    public Tensor Read(string name)
    {
        using var generator = new Generator((ulong)name.Length, CPU);
        using var drawn = randn(shapes[name], generator: generator);
        return drawn * (name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0.05);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Both(string name, params long[] weight) => (shapes[name + ".weight"], shapes[name + ".bias"]) = (weight, weight[..1]);
}
