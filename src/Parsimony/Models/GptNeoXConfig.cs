namespace Parsimony.Models;

/// <summary>The shape of a GPT-NeoX (Pythia) model, read from Hugging Face's <c>config.json</c>.</summary>
/// <remarks>Black et al. 2022 (arXiv 2204.06745): rotary positions on a part of each head, attention and MLP side by side.</remarks>
public sealed record GptNeoXConfig : IModelConfig
{
    internal const string Family = "gpt_neox";

    /// <summary>Number of layers (<c>num_hidden_layers</c>).</summary>
    public required int NLayers { get; init; }
    /// <summary>Width of the residual stream (<c>hidden_size</c>).</summary>
    public required int DModel { get; init; }
    /// <summary>Width of the MLP (<c>intermediate_size</c>).</summary>
    public required int DMlp { get; init; }
    /// <summary>Attention heads (<c>num_attention_heads</c>); divides <see cref="DModel"/>.</summary>
    public required int NHeads { get; init; }
    /// <summary>Rows of the embedding (<c>vocab_size</c>), padding rows included.</summary>
    public required int DVocab { get; init; }
    /// <summary>The longest sequence the model was made for (<c>max_position_embeddings</c>), in tokens.</summary>
    public required int MaxSequenceLength { get; init; }
    /// <summary>Fraction of each head's width that is rotated (<c>rotary_pct</c>), 0 to 1.</summary>
    public double RotaryPct { get; init; } = 0.25;
    /// <summary>Base of the rotary frequencies (<c>rotary_emb_base</c>).</summary>
    public double RotaryBase { get; init; } = 10000;
    /// <summary>Added to the variance in every layer norm (<c>layer_norm_eps</c>).</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;
    /// <summary>The MLP's nonlinearity (<c>hidden_act</c>).</summary>
    public MlpActivation Activation { get; init; } = MlpActivation.Gelu;
    /// <summary>Whether attention and MLP both read the layer's input (<c>use_parallel_residual</c>), as in Pythia.</summary>
    public bool ParallelResidual { get; init; } = true;
    /// <summary>Whether the unembedding is the embedding (<c>tie_word_embeddings</c>).</summary>
    public bool TieWordEmbeddings { get; init; }

    /// <inheritdoc/>
    public string ModelType => Family;
    /// <inheritdoc/>
    public int NKvHeads => NHeads;
    /// <inheritdoc/>
    public bool GatedMlp => false;
    /// <summary>Width of one attention head.</summary>
    public int DHead => DModel / NHeads;
    /// <summary>How many of a head's <see cref="DHead"/> numbers are rotated.</summary>
    public int RotaryWidth => (int)(DHead * RotaryPct);

    internal static GptNeoXConfig Read(ConfigReader json)
    {
        int dModel = json.Count("hidden_size");
        var config = new GptNeoXConfig
        {
            NLayers = json.Count("num_hidden_layers"),
            DModel = dModel,
            DMlp = json.CountOr("intermediate_size", 4 * dModel),
            NHeads = json.Count("num_attention_heads"),
            DVocab = json.Count("vocab_size"),
            MaxSequenceLength = json.Count("max_position_embeddings"),
            RotaryPct = json.Number("rotary_pct", 0.25),
            RotaryBase = json.RotaryBase("rotary_emb_base", "rope_theta"),
            LayerNormEpsilon = json.Number("layer_norm_eps", 1e-5),
            Activation = json.Activation("hidden_act", "gelu"),
            ParallelResidual = json.Flag("use_parallel_residual", true),
            TieWordEmbeddings = json.Flag("tie_word_embeddings", false),
        };
        json.Require(dModel % config.NHeads == 0, $"hidden_size {dModel} is not a multiple of num_attention_heads {config.NHeads}");
        json.Require(config.RotaryPct is >= 0 and <= 1, $"rotary_pct is {config.RotaryPct}; it must lie in 0..1");
        json.Require(config.RotaryWidth % 2 == 0, $"rotary_pct {config.RotaryPct} rotates {config.RotaryWidth} of {config.DHead} numbers; that must be even");
        json.Require(config.LayerNormEpsilon >= 0, $"layer_norm_eps is {config.LayerNormEpsilon}; it must not be negative");
        return config;
    }

    HeadOrder IModelConfig.HeadOrder => HeadOrder.ByHead;

    bool IModelConfig.IsTable(string name) => name.EndsWith("embed_in.weight", StringComparison.Ordinal);

    Embedding IModelConfig.ReadEmbedding(WeightReader weights) => new(weights.Table("gpt_neox.embed_in.weight", DVocab, DModel));

    TransformerLayer IModelConfig.ReadLayer(WeightReader weights, int layer)
    {
        string prefix = $"gpt_neox.layers.{layer}.";
        Norm Norm(string name) => weights.LayerNorm(prefix + name, DModel, LayerNormEpsilon);
        Projection Map(string name, int outputs, int inputs) => weights.Projection(prefix + name, outputs, inputs, bias: true);
        return new TransformerLayer(this)
        {
            AttentionNorm = Norm("input_layernorm"),
            MlpNorm = Norm("post_attention_layernorm"),
            QueryKeyValue = Map("attention.query_key_value", 3 * DModel, DModel),
            AttentionOutput = Map("attention.dense", DModel, DModel),
            Up = Map("mlp.dense_h_to_4h", DMlp, DModel),
            Down = Map("mlp.dense_4h_to_h", DModel, DMlp),
            Activation = Activation,
        };
    }

    Norm IModelConfig.ReadFinalNorm(WeightReader weights) => weights.LayerNorm("gpt_neox.final_layer_norm", DModel, LayerNormEpsilon);

    Projection IModelConfig.ReadUnembedding(WeightReader weights) =>
        TieWordEmbeddings ? weights.Tied("gpt_neox.embed_in.weight", DVocab, DModel) : weights.Projection("embed_out", DVocab, DModel, bias: false);
}
