using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The shape of a GPT-2 model (Radford et al. 2019), read from Hugging Face's <c>config.json</c>.</summary>
/// <remarks>Learned positions; maps stored as <c>[in, out]</c> (<c>Conv1D</c>); the unembedding is the embedding. The published files' names lack
/// <c>transformer.</c> and carry mask buffers (<c>attn.bias</c>), which are not read.</remarks>
public sealed record Gpt2Config : IModelConfig
{
    internal const string Family = "gpt2";

    /// <summary>Number of layers (<c>n_layer</c>).</summary>
    public required int NLayers { get; init; }
    /// <summary>Width of the residual stream (<c>n_embd</c>).</summary>
    public required int DModel { get; init; }
    /// <summary>Width of the MLP (<c>n_inner</c>; 4 <c>n_embd</c> where that is null).</summary>
    public required int DMlp { get; init; }
    /// <summary>Attention heads (<c>n_head</c>); divides <see cref="DModel"/>.</summary>
    public required int NHeads { get; init; }
    /// <summary>Rows of the embedding (<c>vocab_size</c>), padding rows included.</summary>
    public required int DVocab { get; init; }
    /// <summary>How many positions are embedded (<c>n_positions</c>): the longest sequence in tokens.</summary>
    public required int MaxSequenceLength { get; init; }
    /// <summary>Added to the variance in every layer norm (<c>layer_norm_epsilon</c>).</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;
    /// <summary>The MLP's nonlinearity (<c>activation_function</c>).</summary>
    public MlpActivation Activation { get; init; } = MlpActivation.GeluTanh;
    /// <summary>Whether the unembedding is the embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <inheritdoc/>
    public string ModelType => Family;
    /// <inheritdoc/>
    public int NKvHeads => NHeads;
    /// <inheritdoc/>
    public int DHead => DModel / NHeads;
    /// <inheritdoc/>
    public bool ParallelResidual => false;
    /// <inheritdoc/>
    public bool GatedMlp => false;
    /// <inheritdoc/>
    public int RotaryWidth => 0;
    /// <inheritdoc/>
    public double RotaryBase => 1;

    internal static Gpt2Config Read(ConfigReader json)
    {
        int dModel = json.Count("n_embd");
        var config = new Gpt2Config
        {
            NLayers = json.Count("n_layer"),
            DModel = dModel,
            DMlp = json.CountOr("n_inner", 4 * dModel),
            NHeads = json.Count("n_head"),
            DVocab = json.Count("vocab_size"),
            MaxSequenceLength = json.CountOr("n_positions", json.CountOr("n_ctx", 1024)),
            LayerNormEpsilon = json.Number("layer_norm_epsilon", 1e-5),
            Activation = json.Activation("activation_function", "gelu_new"),
            TieWordEmbeddings = json.Flag("tie_word_embeddings", true),
        };
        json.Require(dModel % config.NHeads == 0, $"n_embd {dModel} is not a multiple of n_head {config.NHeads}");
        json.Require(config.LayerNormEpsilon >= 0, $"layer_norm_epsilon is {config.LayerNormEpsilon}; it must not be negative");
        json.Require(json.Flag("scale_attn_weights", true), $"scale_attn_weights is false; only true is supported");
        json.Require(!json.Flag("scale_attn_by_inverse_layer_idx", false), $"scale_attn_by_inverse_layer_idx is true; only false is supported");
        json.Require(!json.Flag("add_cross_attention", false), $"add_cross_attention is true; only a decoder on its own is supported");
        return config;
    }

    bool IModelConfig.IsTable(string name) => name.EndsWith("wte.weight", StringComparison.Ordinal) || name.EndsWith("wpe.weight", StringComparison.Ordinal);

    bool IModelConfig.IsTransposed(string name) => name.Contains(".attn.c_", StringComparison.Ordinal) || name.Contains(".mlp.c_", StringComparison.Ordinal);

    Embedding IModelConfig.ReadEmbedding(WeightReader weights) => new(
        weights.Table(Prefix(weights) + "wte.weight", DVocab, DModel), weights.Table(Prefix(weights) + "wpe.weight", MaxSequenceLength, DModel));

    TransformerLayer IModelConfig.ReadLayer(WeightReader weights, int layer)
    {
        string prefix = $"{Prefix(weights)}h.{layer}.";
        Norm Norm(string name) => weights.LayerNorm(prefix + name, DModel, LayerNormEpsilon);
        Projection Map(string name, int inputs, int outputs) => weights.Transposed(prefix + name, inputs, outputs);
        return new TransformerLayer(this)
        {
            AttentionNorm = Norm("ln_1"),
            MlpNorm = Norm("ln_2"),
            QueryKeyValue = Map("attn.c_attn", DModel, 3 * DModel),
            AttentionOutput = Map("attn.c_proj", DModel, DModel),
            Up = Map("mlp.c_fc", DModel, DMlp),
            Down = Map("mlp.c_proj", DMlp, DModel),
            Activation = Activation,
        };
    }

    Norm IModelConfig.ReadFinalNorm(WeightReader weights) => weights.LayerNorm(Prefix(weights) + "ln_f", DModel, LayerNormEpsilon);

    Projection IModelConfig.ReadUnembedding(WeightReader weights) =>
        TieWordEmbeddings ? weights.Tied(Prefix(weights) + "wte.weight", DVocab, DModel) : weights.Projection("lm_head", DVocab, DModel, bias: false);

    private static string Prefix(WeightReader weights) => weights.Contains("wte.weight") ? "" : "transformer.";
}
