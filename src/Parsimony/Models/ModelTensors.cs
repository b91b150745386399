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
    /// <summary>The tensors of a GPT-NeoX (Pythia) model, in the order in which PyTorch lists them.</summary>
    public static IEnumerable<NamedShape> Of(GptNeoXConfig config)
    {
        long width = config.DModel, mlp = config.DMlp;
        yield return new("gpt_neox.embed_in.weight", [config.DVocab, width]);
        for (int layer = 0; layer < config.NLayers; layer++)
        {
            string prefix = $"gpt_neox.layers.{layer}.";
            foreach (var (name, shape) in (NamedShape[])
                [
                    .. Norm("input_layernorm"), .. Norm("post_attention_layernorm"),
                    .. Map("attention.query_key_value", 3 * width, width), .. Map("attention.dense", width, width),
                    .. Map("mlp.dense_h_to_4h", mlp, width), .. Map("mlp.dense_4h_to_h", width, mlp),
                ])
                yield return new(prefix + name, shape);
        }
        foreach (var norm in Norm("gpt_neox.final_layer_norm")) yield return norm;
        if (!config.TieWordEmbeddings) yield return new("embed_out.weight", [config.DVocab, width]);

        NamedShape[] Norm(string name) => [new(name + ".weight", [width]), new(name + ".bias", [width])];
        NamedShape[] Map(string name, long outputs, long inputs) => [new(name + ".weight", [outputs, inputs]), new(name + ".bias", [outputs])];
    }
}
