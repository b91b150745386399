using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>
/// A GPT-NeoX model's parameters under Hugging Face's names, for a <see cref="Transformer"/> to run on and an optimiser to change in place.
/// <see cref="Read"/> gives the parameter itself, so that gradients arrive in it.
/// </summary>
public sealed class TrainableWeights : IWeightSource
{
    private readonly Dictionary<string, Tensor> parameters;

    private TrainableWeights(Dictionary<string, Tensor> parameters)
    {
        this.parameters = parameters;
        foreach (var t in parameters.Values) t.DetachFromDisposeScope().requires_grad_(true);
    }

    /// <summary>
    /// New parameters: weights from N(0, 0.02), those that write into the residual stream divided by sqrt(2 n_layers)
    /// (Radford et al. 2019), gains one, biases zero.
    /// </summary>
    public static TrainableWeights Create(GptNeoXConfig config, long seed)
    {
        using var generator = new Generator((ulong)seed);
        return new(Shapes(config).ToDictionary(p => p.Key, p => Born(p.Key, p.Value)));

        Tensor Born(string name, long[] shape)
        {
            if (name.EndsWith(".bias", StringComparison.Ordinal)) return zeros(shape);
            if (name.Contains("layer_norm", StringComparison.Ordinal) || name.Contains("layernorm", StringComparison.Ordinal)) return ones(shape);
            bool residual = name.Contains("attention.dense", StringComparison.Ordinal) || name.Contains("4h_to_h", StringComparison.Ordinal);
            double std = residual ? 0.02 / Math.Sqrt(2.0 * config.NLayers) : 0.02;
            return randn(shape, generator: generator).mul_(std);
        }
    }

    /// <summary>Every parameter's name and shape, in the order of the forward pass.</summary>
    public static IEnumerable<KeyValuePair<string, long[]>> Shapes(GptNeoXConfig config)
    {
        long d = config.DModel, mlp = config.DMlp;
        yield return new("gpt_neox.embed_in.weight", [config.DVocab, d]);
        for (int layer = 0; layer < config.NLayers; layer++)
        {
            string prefix = $"gpt_neox.layers.{layer}.";
            foreach (var (name, shape) in ((string, long[])[])[
                ("input_layernorm", [d]), ("post_attention_layernorm", [d]),
                ("attention.query_key_value", [3 * d, d]), ("attention.dense", [d, d]),
                ("mlp.dense_h_to_4h", [mlp, d]), ("mlp.dense_4h_to_h", [d, mlp])])
            {
                yield return new(prefix + name + ".weight", shape);
                yield return new(prefix + name + ".bias", [shape[0]]);
            }
        }
        yield return new("gpt_neox.final_layer_norm.weight", [d]);
        yield return new("gpt_neox.final_layer_norm.bias", [d]);
        if (!config.TieWordEmbeddings) yield return new("embed_out.weight", [config.DVocab, d]);
    }

    /// <summary>The parameters by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Parameters => parameters;

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => parameters.Keys;

    /// <summary>Null: the weights change.</summary>
    public string? Sha256 => null;

    /// <inheritdoc/>
    public bool Contains(string name) => parameters.ContainsKey(name);

    /// <inheritdoc/>
    public IReadOnlyList<long> Shape(string name) => parameters[name].shape;

    /// <summary>The parameter itself, not a copy.</summary>
    public Tensor Read(string name) => parameters[name];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in parameters.Values) t.Dispose();
    }
}
