using System.Text.Json;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

/// <summary>A tiny random model of each family.</summary>
internal static class SomeFamily
{
    public static readonly string[] All = ["gpt_neox", "gpt2", "llama", "qwen2"];

    public static IModelConfig Config(string family, int vocabulary = 40) => family switch
    {
        "gpt_neox" => Some.Config() with { DVocab = vocabulary },
        _ => ModelConfig.Parse(Json(family, vocabulary), family),
    };

    public static Transformer Model(string family, int vocabulary = 40)
    {
        var config = Config(family, vocabulary);
        return new Transformer(config, Weights(config));
    }

    /// <summary>A model folder of that family with <see cref="SomeFolder"/>'s tokenizer.</summary>
    public static string Folder(string folder, string family)
    {
        SomeFolder.Model(folder);
        if (family == "gpt_neox") return folder;
        File.WriteAllText(Path.Combine(folder, "config.json"), Json(family, 257));
        using var scope = NewDisposeScope();
        using var weights = Weights(Config(family, 257));
        SafetensorsFile.Write(Path.Combine(folder, "model.safetensors"), weights.Names.Select(n => KeyValuePair.Create(n, weights.Read(n))));
        return folder;
    }

    public static IWeightSource Weights(IModelConfig c) => c is GptNeoXConfig neoX ? Some.Weights(neoX) : new DrawnWeights(Shapes(c));

    /// <summary>The attention of a layer, from its weights.</summary>
    public static (Func<Tensor, Tensor> Norm, Func<Tensor, Tensor> Qkv, Func<Tensor, Tensor> Out, Func<Tensor, Tensor> Values) ByHand(IModelConfig c, IWeightSource w, int layer)
    {
        long[] d = [c.DModel];
        if (c is LlamaConfig llama)
        {
            string at = $"model.layers.{layer}.", attention = at + "self_attn.";
            Tensor Joined(string what) => cat([.. new[] { "q", "k", "v" }.Select(kind => w.Read($"{attention}{kind}_proj.{what}"))], 0);
            return (x => x / (x.square().mean([-1], keepdim: true) + llama.RmsNormEpsilon).sqrt() * w.Read(at + "input_layernorm.weight"),
                x => nn.functional.linear(x, Joined("weight")) + (llama.QueryKeyValueBias ? Joined("bias") : zeros(1)),
                x => nn.functional.linear(x, w.Read(attention + "o_proj.weight")),
                qkv => qkv.narrow(2, (c.NHeads + c.NKvHeads) * c.DHead, c.NKvHeads * c.DHead).unflatten(2, [c.NKvHeads, c.DHead])
                    .repeat_interleave(c.NHeads / c.NKvHeads, 2).transpose(1, 2));
        }
        bool neoX = c is GptNeoXConfig;
        string prefix = neoX ? $"gpt_neox.layers.{layer}." : $"transformer.h.{layer}.";
        var (norm, qkvName, outName) = neoX ? ("input_layernorm", "attention.query_key_value", "attention.dense") : ("ln_1", "attn.c_attn", "attn.c_proj");
        Tensor Weight(string name) => neoX ? w.Read(prefix + name + ".weight") : w.Read(prefix + name + ".weight").t();
        Func<Tensor, Tensor> Map(string name) => x => nn.functional.linear(x, Weight(name), w.Read(prefix + name + ".bias"));
        return (x => nn.functional.layer_norm(x, d, w.Read(prefix + norm + ".weight"), w.Read(prefix + norm + ".bias"), 1e-5), Map(qkvName), Map(outName),
            qkv => neoX ? qkv.unflatten(2, [c.NHeads, 3, c.DHead]).select(3, 2).transpose(1, 2) : qkv.unflatten(2, [3, c.NHeads, c.DHead]).select(2, 2).transpose(1, 2));
    }

    private static string Json(string family, int vocabulary) => JsonSerializer.Serialize(family == "gpt2"
        ? new Dictionary<string, object?>
        {
            ["model_type"] = family,
            ["n_layer"] = 3,
            ["n_embd"] = 16,
            ["n_head"] = 2,
            ["n_inner"] = null,
            ["n_positions"] = 64,
            ["vocab_size"] = vocabulary,
        }
        : new Dictionary<string, object?>
        {
            ["model_type"] = family,
            ["num_hidden_layers"] = 3,
            ["hidden_size"] = 16,
            ["intermediate_size"] = 24,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = 2,
            ["max_position_embeddings"] = 64,
            ["vocab_size"] = vocabulary,
            ["rope_theta"] = 10000.0,
            ["rope_scaling"] = null,
            ["tie_word_embeddings"] = family == "qwen2",
        });

    private static IEnumerable<(string Name, long[] Shape)> Shapes(IModelConfig c)
    {
        long d = c.DModel, q = c.NHeads * c.DHead, kv = c.NKvHeads * c.DHead;
        if (c is Gpt2Config)
        {
            yield return ("transformer.wte.weight", [c.DVocab, d]);
            yield return ("transformer.wpe.weight", [c.MaxSequenceLength, d]);
            foreach (string layer in Enumerable.Range(0, c.NLayers).Select(i => $"transformer.h.{i}.").Append("transformer."))
                foreach (var (name, shape) in ((string, long[])[])(layer == "transformer." ? [("ln_f", [d])]
                    : [("ln_1", [d]), ("ln_2", [d]), ("attn.c_attn", [d, 3 * d]), ("attn.c_proj", [d, d]), ("mlp.c_fc", [d, c.DMlp]), ("mlp.c_proj", [c.DMlp, d])]))
                {
                    yield return (layer + name + ".weight", shape);
                    yield return (layer + name + ".bias", [shape[^1]]);
                }
            yield break;
        }
        yield return ("model.embed_tokens.weight", [c.DVocab, d]);
        yield return ("lm_head.weight", [c.DVocab, d]);
        yield return ("model.norm.weight", [d]);
        for (int i = 0; i < c.NLayers; i++)
            foreach (var (name, shape) in ((string, long[])[])[("input_layernorm", [d]), ("post_attention_layernorm", [d]), ("self_attn.q_proj", [q, d]),
                ("self_attn.k_proj", [kv, d]), ("self_attn.v_proj", [kv, d]), ("self_attn.o_proj", [d, q]), ("mlp.gate_proj", [c.DMlp, d]),
                ("mlp.up_proj", [c.DMlp, d]), ("mlp.down_proj", [d, c.DMlp])])
            {
                yield return ($"model.layers.{i}.{name}.weight", shape);
                if (name[^6..] is "q_proj" or "k_proj" or "v_proj") yield return ($"model.layers.{i}.{name}.bias", [shape[0]]); // Qwen2's
            }
    }

    private sealed class DrawnWeights : IWeightSource
    {
        private readonly Dictionary<string, Tensor> tensors = [];

        public DrawnWeights(IEnumerable<(string Name, long[] Shape)> shapes)
        {
            using var generator = new Generator(7, CPU);
            foreach (var (name, shape) in shapes)
            {
                var drawn = randn(shape, generator: generator) * (shape.Length == 1 ? 0.1 : 0.25);
                if (shape.Length == 1 && name.EndsWith("weight", StringComparison.Ordinal)) drawn.add_(1);
                tensors[name] = drawn.DetachFromDisposeScope();
            }
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
