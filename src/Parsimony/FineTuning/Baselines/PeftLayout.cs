using System.Text.Json.Nodes;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>
/// LoRA and IA3 as PEFT keeps them (its "checkpoint format" guide): names of modules, keys of tensors, fields of the config. Of a map that PEFT has in parts (q_proj, k_proj, v_proj)
/// each part has its rows of B, or of the scales, and all have the same A. A scale is kept as <c>1 + gamma</c>, rounded to float32; gamma made of it again gives the same scale bit by bit, for
/// <c>(1 + gamma) - 1</c> is exact: where 1 + gamma is 1/2 or more, or gamma is -1/2 or less, float32 has the difference.
/// </summary>
internal static class PeftLayout
{
    private const string LoraA = "lora_A.weight", LoraB = "lora_B.weight", Scales = "ia3_l";

    /// <summary>Whether PEFT can hold what an adapter does: it knows no positions, and scales whole outputs.</summary>
    public static bool Holds(IAdapter adapter, IModelConfig config) => adapter.Positions is TokenPositions.All && adapter switch
    {
        LoraAdapter => true,
        Ia3Adapter ia3 => ia3.ScalesQueries || Modules(config, LinearTarget.Qkv).Count > 1,
        _ => false,
    };

    /// <summary>PEFT's fields for it.</summary>
    public static JsonObject Config(IAdapter adapter, IModelConfig config)
    {
        static JsonArray Array<T>(IEnumerable<T> items) => [.. items.Select(i => (JsonNode?)JsonValue.Create(i))];
        bool conv1D = config is Gpt2Config; // it keeps its matrices turned
        if (adapter is LoraAdapter lora) return new()
        {
            ["peft_type"] = "LORA",
            ["r"] = lora.Rank,
            ["lora_alpha"] = lora.Alpha,
            ["lora_dropout"] = 0.0,
            ["bias"] = "none",
            ["fan_in_fan_out"] = conv1D,
            ["init_lora_weights"] = true,
            ["target_modules"] = Array(lora.Maps.Select(m => m.Target).Distinct().SelectMany(t => Modules(config, t)).Select(m => m.Name)),
            ["layers_to_transform"] = Array(lora.Maps.Select(m => m.Layer).Distinct()),
            ["layers_pattern"] = Layers(config).Pattern,
            ["modules_to_save"] = null,
        };
        var ia3 = (Ia3Adapter)adapter; // its config has no layers, so that modules are named with theirs
        string[] Named(LinearTarget target) => [.. from layer in ia3.Layers from part in Parts(config, ia3, target) select $"{Layers(config).Pattern}.{layer}.{part.Name}"];
        return new()
        {
            ["peft_type"] = "IA3",
            ["target_modules"] = Array([.. Named(LinearTarget.Qkv), .. Named(LinearTarget.MlpDown)]),
            ["feedforward_modules"] = Array(Named(LinearTarget.MlpDown)),
            ["fan_in_fan_out"] = conv1D,
            ["init_ia3_weights"] = true,
            ["modules_to_save"] = null,
        };
    }

    /// <summary>Its numbers under PEFT's keys, in the caller's scope.</summary>
    public static IReadOnlyDictionary<string, Tensor> Tensors(IAdapter adapter, IModelConfig config)
    {
        var all = new Dictionary<string, Tensor>();
        foreach (var (number, parts) in Places(adapter, config))
        {
            long first = 0;
            foreach (var part in parts)
            {
                if (part.Rows is { } rows) all[part.Key] = adapter.Parameters[number].narrow(0, first, rows);
                else all[part.Key] = adapter.Parameters[number].alias();
                first += part.Rows ?? 0;
            }
        }
        if (adapter is not Ia3Adapter) return all;
        foreach (string key in all.Keys.ToList()) all[key] = (1 + all[key]).view(key.Contains($".{Modules(config, LinearTarget.MlpDown)[0].Name}.", StringComparison.Ordinal) ? [1, -1] : [-1, 1]);
        return all;
    }

    /// <summary>Puts what <see cref="Tensors"/> gave into a newborn adapter of the same shape.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="config">Its model's shape.</param>
    /// <param name="read">A tensor by its key and the number of its elements.</param>
    /// <exception cref="InvalidDataException">The parts of a map have different A.</exception>
    public static void Fill(IAdapter adapter, IModelConfig config, Func<string, long, Tensor> read)
    {
        foreach (var (number, parts) in Places(adapter, config))
        {
            var into = adapter.Parameters[number];
            if (parts[0].Rows is null)
            {
                Tensor[] same = [.. parts.Select(p => read(p.Key, into.numel()).view(into.shape))];
                if (same.Skip(1).Any(other => other.ne(same[0]).any().item<bool>())) throw new InvalidDataException(
                    $"{string.Join(" and ", parts.Select(p => $"'{p.Key}'"))} differ; the parts of a map that is one at the model's seam must have the same.");
                into.copy_(same[0]);
                continue;
            }
            long width = into.numel() / into.size(0);
            var whole = cat([.. parts.Select(p => read(p.Key, p.Rows!.Value * width).view([p.Rows.Value, .. into.shape[1..]]))], 0);
            into.copy_(adapter is Ia3Adapter ? whole - 1 : whole);
        }
    }

    /// <summary>Of each of the adapter's numbers the tensors that hold it: so many rows each, or all of it in each.</summary>
    private static IEnumerable<(string Number, IReadOnlyList<(string Key, long? Rows)> Parts)> Places(IAdapter adapter, IModelConfig config)
    {
        if (adapter is LoraAdapter lora)
            foreach (var map in lora.Maps)
            {
                var modules = Modules(config, map.Target);
                yield return (map.Name("lora_A"), [.. modules.Select(m => (Key(config, map.Layer, m.Name, LoraA), (long?)null))]);
                yield return (map.Name("lora_B"), [.. modules.Select(m => (Key(config, map.Layer, m.Name, LoraB), (long?)m.Rows))]);
            }
        else if (adapter is Ia3Adapter ia3)
            foreach (int layer in ia3.Layers)
                foreach (var (site, target) in ((HookSite, LinearTarget)[])[(HookSite.AttnQkv, LinearTarget.Qkv), (HookSite.MlpPost, LinearTarget.MlpDown)])
                    yield return ($"{new HookPoint(layer, site)}.gamma", [.. Parts(config, ia3, target).Select(m => (Key(config, layer, m.Name, Scales), (long?)m.Rows))]);
    }

    /// <summary>What IA3 scales of a map: of the last one its input.</summary>
    private static IReadOnlyList<(string Name, long Rows)> Parts(IModelConfig config, Ia3Adapter ia3, LinearTarget target)
    {
        var modules = Modules(config, target);
        return target is LinearTarget.MlpDown ? [(modules[0].Name, config.DMlp)] : ia3.ScalesQueries ? modules : [.. modules.Skip(1)];
    }

    /// <summary>The modules of a map, behind their layer's name, and how many rows of its output each gives.</summary>
    private static IReadOnlyList<(string Name, long Rows)> Modules(IModelConfig config, LinearTarget target)
    {
        long queries = config.NHeads * config.DHead, keys = config.NKvHeads * config.DHead;
        long outputs = new LinearMap(0, target).Outputs(config);
        if (config is LlamaConfig && target is LinearTarget.Qkv) return [("self_attn.q_proj", queries), ("self_attn.k_proj", keys), ("self_attn.v_proj", keys)];
        var (qkv, attention, up, down) = config switch
        {
            GptNeoXConfig => ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
            Gpt2Config => ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
            _ => ("", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj"),
        };
        return [(target switch { LinearTarget.Qkv => qkv, LinearTarget.AttnOut => attention, LinearTarget.MlpUp => up, _ => down }, outputs)];
    }

    private static (string Prefix, string Pattern) Layers(IModelConfig config) => config switch
    {
        GptNeoXConfig => ("gpt_neox.layers", "layers"),
        Gpt2Config => ("transformer.h", "h"),
        _ => ("model.layers", "layers"),
    };

    private static string Key(IModelConfig config, int layer, string module, string what) => $"base_model.model.{Layers(config).Prefix}.{layer}.{module}.{what}";
}
