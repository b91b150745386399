using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>A model's weights with some changed by hand, under the names of its family.</summary>
internal sealed class EditedWeights(IModelConfig config, IWeightSource inner) : IWeightSource
{
    private readonly Dictionary<string, Func<Tensor, Tensor>> edits = [];

    /// <summary>Changes the matrix, <c>[out, in]</c>, and the bias, <c>[out]</c>, of a map.</summary>
    public EditedWeights Map(int layer, LinearTarget target, Func<Tensor, Tensor>? weight, Func<Tensor, Tensor>? bias = null)
    {
        var parts = Parts(layer, target);
        bool turned = config is Gpt2Config;
        long first = 0;
        foreach (var (name, rows) in parts)
        {
            long from = first;
            // Each part is changed as its rows of the whole are.
            Tensor Rows(Func<Tensor, Tensor> edit, string kind) => edit(cat([.. parts.Select(p => Straight(inner.Read($"{p.Name}.{kind}"), turned && kind == "weight"))], 0)).narrow(0, from, rows);
            if (weight is not null) edits[name + ".weight"] = _ => Straight(Rows(weight, "weight"), turned).contiguous();
            if (bias is not null) edits[name + ".bias"] = _ => Rows(bias, "bias").contiguous();
            first += rows;
        }
        return this;
    }

    /// <summary>Changes the gain and the bias of the norm in front of attention or the MLP.</summary>
    public EditedWeights Norm(int layer, bool attention, Func<Tensor, Tensor> gain, Func<Tensor, Tensor>? bias = null)
    {
        string name = config switch
        {
            GptNeoXConfig => $"gpt_neox.layers.{layer}." + (attention ? "input_layernorm" : "post_attention_layernorm"),
            Gpt2Config => $"transformer.h.{layer}." + (attention ? "ln_1" : "ln_2"),
            _ => $"model.layers.{layer}." + (attention ? "input_layernorm" : "post_attention_layernorm"),
        };
        edits[name + ".weight"] = gain;
        if (bias is not null) edits[name + ".bias"] = bias;
        return this;
    }

    private (string Name, long Rows)[] Parts(int layer, LinearTarget target)
    {
        if (config is LlamaConfig)
        {
            string at = $"model.layers.{layer}.", attention = at + "self_attn.";
            long queries = config.NHeads * config.DHead, keys = config.NKvHeads * config.DHead;
            return target switch
            {
                LinearTarget.Qkv => [(attention + "q_proj", queries), (attention + "k_proj", keys), (attention + "v_proj", keys)],
                LinearTarget.AttnOut => [(attention + "o_proj", config.DModel)],
                LinearTarget.MlpUp => [(at + "mlp.gate_proj", config.DMlp)],
                _ => [(at + "mlp.down_proj", config.DModel)],
            };
        }
        bool neoX = config is GptNeoXConfig;
        string prefix = neoX ? $"gpt_neox.layers.{layer}." : $"transformer.h.{layer}.";
        return target switch
        {
            LinearTarget.Qkv => [(prefix + (neoX ? "attention.query_key_value" : "attn.c_attn"), 3 * config.DModel)],
            LinearTarget.AttnOut => [(prefix + (neoX ? "attention.dense" : "attn.c_proj"), config.DModel)],
            LinearTarget.MlpUp => [(prefix + (neoX ? "mlp.dense_h_to_4h" : "mlp.c_fc"), config.DMlp)],
            _ => [(prefix + (neoX ? "mlp.dense_4h_to_h" : "mlp.c_proj"), config.DModel)],
        };
    }

    private static Tensor Straight(Tensor weight, bool turned) => turned ? weight.t() : weight;

    public IReadOnlyCollection<string> Names => inner.Names;

    public string? Sha256 => null;

    public bool Contains(string name) => inner.Contains(name);

    public IReadOnlyList<long> Shape(string name) => inner.Shape(name);

    public Tensor Read(string name)
    {
        if (!edits.TryGetValue(name, out var edit)) return inner.Read(name);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return edit(inner.Read(name)).clone().DetachFromDisposeScope();
    }

    public void Dispose() => inner.Dispose();
}
