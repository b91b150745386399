namespace Parsimony.Models;

/// <summary>Name and shape of one of a model's tensors.</summary>
/// <param name="Name">Hugging Face's.</param>
/// <param name="Shape">Its axes.</param>
public readonly record struct NamedShape(string Name, long[] Shape)
{
    /// <summary>Numbers in it.</summary>
    public long Elements => Shape.Aggregate(1L, (a, b) => a * b);
}

/// <summary>What tensors a model of a given shape has, without any of its files.</summary>
public static class ModelTensors
{
    /// <summary>The tensors, in the order in which PyTorch lists them.</summary>
    /// <exception cref="ArgumentException">The shape is of a family that is not known here.</exception>
    public static IReadOnlyList<NamedShape> Of(IModelConfig config) => config switch
    {
        GptNeoXConfig c => GptNeoX(c),
        Gpt2Config c => Gpt2(c),
        LlamaConfig c => Llama(c),
        _ => throw new ArgumentException($"the tensors of a {config.ModelType} are not known; of gpt_neox, gpt2, llama, mistral and qwen2 they are.", nameof(config)),
    };

    private static List<NamedShape> GptNeoX(GptNeoXConfig c)
    {
        long d = c.DModel, mlp = c.DMlp;
        List<NamedShape> all = [new("gpt_neox.embed_in.weight", [c.DVocab, d])];
        for (int layer = 0; layer < c.NLayers; layer++)
        {
            string prefix = $"gpt_neox.layers.{layer}.";
            all.AddRange(
            [
                .. Norm(prefix + "input_layernorm", d), .. Norm(prefix + "post_attention_layernorm", d),
                .. Map(prefix + "attention.query_key_value", 3 * d, d), .. Map(prefix + "attention.dense", d, d),
                .. Map(prefix + "mlp.dense_h_to_4h", mlp, d), .. Map(prefix + "mlp.dense_4h_to_h", d, mlp),
            ]);
        }
        all.AddRange(Norm("gpt_neox.final_layer_norm", d));
        if (!c.TieWordEmbeddings) all.Add(new("embed_out.weight", [c.DVocab, d]));
        return all;
    }

    private static List<NamedShape> Gpt2(Gpt2Config c)
    {
        long d = c.DModel;
        List<NamedShape> all = [new("transformer.wte.weight", [c.DVocab, d]), new("transformer.wpe.weight", [c.MaxSequenceLength, d])];
        for (int layer = 0; layer < c.NLayers; layer++)
        {
            string prefix = $"transformer.h.{layer}.";
            all.AddRange(
            [
                .. Norm(prefix + "ln_1", d), .. Turned(prefix + "attn.c_attn", 3 * d, d), .. Turned(prefix + "attn.c_proj", d, d),
                .. Norm(prefix + "ln_2", d), .. Turned(prefix + "mlp.c_fc", c.DMlp, d), .. Turned(prefix + "mlp.c_proj", d, c.DMlp),
            ]);
        }
        all.AddRange(Norm("transformer.ln_f", d));
        if (!c.TieWordEmbeddings) all.Add(new("lm_head.weight", [c.DVocab, d]));
        return all;
    }

    private static List<NamedShape> Llama(LlamaConfig c)
    {
        long d = c.DModel, queries = c.NHeads * c.DHead, keys = c.NKvHeads * c.DHead;
        List<NamedShape> all = [new("model.embed_tokens.weight", [c.DVocab, d])];
        for (int layer = 0; layer < c.NLayers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            all.AddRange(
            [
                .. Map(prefix + "self_attn.q_proj", queries, d, c.QueryKeyValueBias), .. Map(prefix + "self_attn.k_proj", keys, d, c.QueryKeyValueBias),
                .. Map(prefix + "self_attn.v_proj", keys, d, c.QueryKeyValueBias), .. Map(prefix + "self_attn.o_proj", d, queries, c.AttentionOutputBias),
                .. Map(prefix + "mlp.gate_proj", c.DMlp, d, c.MlpBias), .. Map(prefix + "mlp.up_proj", c.DMlp, d, c.MlpBias), .. Map(prefix + "mlp.down_proj", d, c.DMlp, c.MlpBias),
                new(prefix + "input_layernorm.weight", [d]), new(prefix + "post_attention_layernorm.weight", [d]),
            ]);
        }
        all.Add(new("model.norm.weight", [d]));
        if (!c.TieWordEmbeddings) all.Add(new("lm_head.weight", [c.DVocab, d]));
        return all;
    }

    private static NamedShape[] Norm(string name, long width) => [new(name + ".weight", [width]), new(name + ".bias", [width])];

    private static NamedShape[] Map(string name, long outputs, long inputs, bool bias = true) =>
        bias ? [new(name + ".weight", [outputs, inputs]), new(name + ".bias", [outputs])] : [new(name + ".weight", [outputs, inputs])];

    /// <summary>As GPT-2 stores its maps: <c>[in, out]</c>.</summary>
    private static NamedShape[] Turned(string name, long outputs, long inputs) => [new(name + ".weight", [inputs, outputs]), new(name + ".bias", [outputs])];
}
