using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The shape of a Llama-style model, read from Hugging Face's <c>config.json</c>: Llama, SmolLM, Mistral and Qwen2.</summary>
/// <remarks>Touvron et al. 2023 (arXiv 2302.13971): RMS norm, rotary positions on whole heads, SwiGLU, and queries that share keys and values
/// (Ainslie et al. 2023). At <c>mlp_pre</c> sits the gate before its nonlinearity, at <c>mlp_post</c> the product of both branches.</remarks>
public sealed record LlamaConfig : IModelConfig
{
    internal const string Llama = "llama", Mistral = "mistral", Qwen2 = "qwen2";

    /// <summary>Which of the family it is: <c>llama</c>, <c>mistral</c> or <c>qwen2</c>.</summary>
    public string ModelType { get; init; } = Llama;
    /// <summary>Number of layers (<c>num_hidden_layers</c>).</summary>
    public required int NLayers { get; init; }
    /// <summary>Width of the residual stream (<c>hidden_size</c>).</summary>
    public required int DModel { get; init; }
    /// <summary>Width of the MLP (<c>intermediate_size</c>).</summary>
    public required int DMlp { get; init; }
    /// <summary>Attention heads (<c>num_attention_heads</c>).</summary>
    public required int NHeads { get; init; }
    /// <summary>Keys and values of a token (<c>num_key_value_heads</c>); divides <see cref="NHeads"/>.</summary>
    public required int NKvHeads { get; init; }
    /// <summary>Width of one attention head (<c>head_dim</c>; <c>hidden_size</c> over the heads where that is absent); even.</summary>
    public required int DHead { get; init; }
    /// <summary>Rows of the embedding (<c>vocab_size</c>), padding rows included.</summary>
    public required int DVocab { get; init; }
    /// <summary>The longest sequence the model was made for (<c>max_position_embeddings</c>), in tokens; no longer than <c>sliding_window</c>
    /// where the model uses one: up to there attention is whole, and beyond it is not done here.</summary>
    public required int MaxSequenceLength { get; init; }
    /// <summary>Base of the rotary frequencies (<c>rope_theta</c>).</summary>
    public double RotaryBase { get; init; } = 10000;
    /// <summary>Added to the mean square in every RMS norm (<c>rms_norm_eps</c>).</summary>
    public double RmsNormEpsilon { get; init; } = 1e-6;
    /// <summary>The MLP's nonlinearity (<c>hidden_act</c>).</summary>
    public MlpActivation Activation { get; init; } = MlpActivation.Silu;
    /// <summary>Whether queries, keys and values have biases (Qwen2 always, else <c>attention_bias</c>).</summary>
    public bool QueryKeyValueBias { get; init; }
    /// <summary>Whether the attention output has a bias (<c>attention_bias</c>).</summary>
    public bool AttentionOutputBias { get; init; }
    /// <summary>Whether the MLP's maps have biases (<c>mlp_bias</c>).</summary>
    public bool MlpBias { get; init; }
    /// <summary>Whether the unembedding is the embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <inheritdoc/>
    public bool ParallelResidual => false;
    /// <inheritdoc/>
    public bool GatedMlp => true;
    /// <inheritdoc/>
    public int RotaryWidth => DHead;

    internal static LlamaConfig Read(ConfigReader json, string family)
    {
        int dModel = json.Count("hidden_size"), heads = json.Count("num_attention_heads"), longest = json.CountOr("max_position_embeddings", 2048);
        bool bias = family == Llama && json.Flag("attention_bias", false);
        bool slides = json.Has("sliding_window", out _) && json.Flag("use_sliding_window", family == Mistral);
        var config = new LlamaConfig
        {
            ModelType = family,
            NLayers = json.Count("num_hidden_layers"),
            DModel = dModel,
            DMlp = json.Count("intermediate_size"),
            NHeads = heads,
            NKvHeads = json.CountOr("num_key_value_heads", heads),
            DHead = json.CountOr("head_dim", Math.Max(1, dModel / heads)),
            DVocab = json.Count("vocab_size"),
            MaxSequenceLength = slides ? Math.Min(longest, json.CountOr("sliding_window", longest)) : longest,
            RotaryBase = json.RotaryBase("rope_theta"),
            RmsNormEpsilon = json.Number("rms_norm_eps", 1e-6),
            Activation = json.Activation("hidden_act", "silu"),
            QueryKeyValueBias = family == Qwen2 || bias,
            AttentionOutputBias = bias,
            MlpBias = family == Llama && json.Flag("mlp_bias", false),
            TieWordEmbeddings = json.Flag("tie_word_embeddings", false),
        };
        json.Require(json.Has("head_dim", out _) || dModel % heads == 0, $"hidden_size {dModel} is not a multiple of num_attention_heads {heads}");
        json.Require(heads % config.NKvHeads == 0, $"num_attention_heads {heads} is not a multiple of num_key_value_heads {config.NKvHeads}");
        json.Require(config.DHead % 2 == 0, $"head_dim is {config.DHead}; it must be even to be rotated");
        json.Require(config.RmsNormEpsilon >= 0, $"rms_norm_eps is {config.RmsNormEpsilon}; it must not be negative");
        json.Require(json.Number("partial_rotary_factor", 1) == 1, $"partial_rotary_factor is {json.Number("partial_rotary_factor", 1)}; only 1 is supported");
        return config;
    }

    bool IModelConfig.IsTable(string name) => name.EndsWith("embed_tokens.weight", StringComparison.Ordinal);

    Embedding IModelConfig.ReadEmbedding(WeightReader weights) => new(weights.Table("model.embed_tokens.weight", DVocab, DModel));

    TransformerLayer IModelConfig.ReadLayer(WeightReader weights, int layer)
    {
        string prefix = $"model.layers.{layer}.";
        Norm Norm(string name) => ReadNorm(weights, prefix + name);
        Projection Map(string name, int outputs, int inputs, bool bias) => weights.Projection(prefix + name, outputs, inputs, bias);
        return new TransformerLayer(this)
        {
            AttentionNorm = Norm("input_layernorm"),
            MlpNorm = Norm("post_attention_layernorm"),
            QueryKeyValue = weights.Joined([(prefix + "self_attn.q_proj", NHeads * DHead), (prefix + "self_attn.k_proj", NKvHeads * DHead), (prefix + "self_attn.v_proj", NKvHeads * DHead)],
                DModel, QueryKeyValueBias),
            AttentionOutput = Map("self_attn.o_proj", DModel, NHeads * DHead, AttentionOutputBias),
            Up = Map("mlp.gate_proj", DMlp, DModel, MlpBias),
            Gated = Map("mlp.up_proj", DMlp, DModel, MlpBias),
            Down = Map("mlp.down_proj", DModel, DMlp, MlpBias),
            Activation = Activation,
        };
    }

    Norm IModelConfig.ReadFinalNorm(WeightReader weights) => ReadNorm(weights, "model.norm");

    Projection IModelConfig.ReadUnembedding(WeightReader weights) =>
        TieWordEmbeddings ? weights.Tied("model.embed_tokens.weight", DVocab, DModel) : weights.Projection("lm_head", DVocab, DModel, bias: false);

    private Norm ReadNorm(WeightReader weights, string name) => new(weights.Read(name + ".weight", DModel), null, RmsNormEpsilon);
}
