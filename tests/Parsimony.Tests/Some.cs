using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests;

/// <summary>Tiny things of every kind, the same each time.</summary>
internal static class Some
{
    /// <summary>The shape of <see cref="Model"/>.</summary>
    public static GptNeoXConfig Config(int layers = 3, bool parallel = true) => new()
    {
        NLayers = layers,
        DModel = 16,
        DMlp = 32,
        NHeads = 2,
        DVocab = 40,
        MaxSequenceLength = 64,
        RotaryPct = 0.5,
        ParallelResidual = parallel,
    };

    /// <summary>A random GPT-NeoX.</summary>
    public static Transformer Model(int layers = 3, bool parallel = true, ulong seed = 7)
    {
        var config = Config(layers, parallel);
        return new Transformer(config, new RandomWeights(config, seed));
    }

    /// <summary>A random SAE for <see cref="Model"/>, no bias left at zero; about half of its latents fire on a token.</summary>
    public static StandardSae Sae(int dModel = 16, int dSae = 32, ulong seed = 11)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(seed, CPU);
        using var born = StandardSae.Create(dModel, dSae, generator);
        return new StandardSae(born.WEnc, born.WDec, randn(dSae, generator: generator) * 0.1, randn(dModel, generator: generator) * 0.1);
    }

    /// <summary>Random token ids <c>[batch, seq]</c>.</summary>
    public static Tensor Tokens(int batch = 2, int seq = 12, ulong seed = 3)
    {
        using var generator = new Generator(seed, CPU);
        return randint(0, 40, [batch, seq], generator: generator, dtype: ScalarType.Int64);
    }

    /// <summary>Random contexts of tokens.</summary>
    public static List<int[]> Contexts(int count = 6, int length = 12, int seed = 5)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, length).Select(_ => random.Next(40)).ToArray())];
    }

    /// <summary>The weights of <see cref="Model"/>.</summary>
    public static IWeightSource Weights(GptNeoXConfig config, ulong seed = 7) => new RandomWeights(config, seed);

    private sealed class RandomWeights : IWeightSource
    {
        private readonly Dictionary<string, Tensor> tensors = [];

        public RandomWeights(GptNeoXConfig c, ulong seed)
        {
            using var generator = new Generator(seed, CPU);
            void Add(string name, params long[] shape) =>
                tensors[name] = (randn(shape, generator: generator) * (shape.Length == 1 ? 0.1 : 0.25)).DetachFromDisposeScope();
            void Both(string name, params long[] shape)
            {
                Add(name + ".weight", shape);
                Add(name + ".bias", shape[0]);
            }
            void Norm(string name)
            {
                Both(name, c.DModel);
                tensors[name + ".weight"].add_(1);
            }
            Add("gpt_neox.embed_in.weight", c.DVocab, c.DModel);
            for (int i = 0; i < c.NLayers; i++)
            {
                string layer = $"gpt_neox.layers.{i}.";
                Norm(layer + "input_layernorm");
                Norm(layer + "post_attention_layernorm");
                Both(layer + "attention.query_key_value", 3 * c.DModel, c.DModel);
                Both(layer + "attention.dense", c.DModel, c.DModel);
                Both(layer + "mlp.dense_h_to_4h", c.DMlp, c.DModel);
                Both(layer + "mlp.dense_4h_to_h", c.DModel, c.DMlp);
            }
            Norm("gpt_neox.final_layer_norm");
            Add("embed_out.weight", c.DVocab, c.DModel);
        }

        public IReadOnlyCollection<string> Names => tensors.Keys;

        public string? Sha256 => null;

        public bool Contains(string name) => tensors.ContainsKey(name);

        public IReadOnlyList<long> Shape(string name) => tensors[name].shape;

        public Tensor Read(string name) => tensors[name].clone();

        public void Dispose()
        {
            foreach (var t in tensors.Values) t.Dispose();
        }
    }
}
