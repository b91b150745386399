using System.Text.Json;

namespace Parsimony.Models;

/// <summary>The MLP's nonlinearity, by Hugging Face's <c>hidden_act</c>.</summary>
public enum MlpActivation
{
    /// <summary><c>gelu</c>: exact, by the error function.</summary>
    Gelu,
    /// <summary><c>gelu_new</c>, <c>gelu_fast</c>, <c>gelu_pytorch_tanh</c>: the tanh approximation.</summary>
    GeluTanh,
    /// <summary><c>relu</c>.</summary>
    Relu,
    /// <summary><c>silu</c> (also called swish).</summary>
    Silu,
}

/// <summary>The shape of a GPT-NeoX (Pythia) model, read from Hugging Face's <c>config.json</c>.</summary>
public sealed record GptNeoXConfig
{
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

    /// <summary>Width of one attention head.</summary>
    public int DHead => DModel / NHeads;
    /// <summary>How many of a head's <see cref="DHead"/> numbers are rotated.</summary>
    public int RotaryWidth => (int)(DHead * RotaryPct);

    /// <summary>Reads <c>config.json</c> of a model folder.</summary>
    /// <exception cref="FileNotFoundException">The folder has no config.json.</exception>
    /// <exception cref="InvalidDataException">The file is not JSON, is of another architecture, or lacks or contradicts a value.</exception>
    public static GptNeoXConfig Load(string folder)
    {
        string path = Path.Combine(folder, "config.json");
        if (!File.Exists(path)) throw new FileNotFoundException(
            $"'{folder}' holds no config.json. A model folder has config.json, model.safetensors (or shards with an index) and tokenizer.json.");
        return Parse(File.ReadAllText(path), path);
    }

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it came from, for error messages.</param>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    public static GptNeoXConfig Parse(string json, string source)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            string type = root.TryGetProperty("model_type", out var t) ? t.GetString() ?? "" : "";
            if (type != "gpt_neox") throw new InvalidDataException(
                $"{source}: model_type is '{type}'; only 'gpt_neox' (GPT-NeoX, Pythia) is supported. Name a folder of such a model.");
            return Read(root).Validated(source);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new InvalidDataException($"{source} is not a usable model config: {e.Message}", e);
        }
    }

    private static GptNeoXConfig Read(JsonElement root)
    {
        int Need(string name) => root.TryGetProperty(name, out var v) ? v.GetInt32() : throw new KeyNotFoundException($"'{name}' is missing.");
        double Number(string name, double otherwise) => root.TryGetProperty(name, out var v) ? v.GetDouble() : otherwise;
        bool Flag(string name, bool otherwise) => root.TryGetProperty(name, out var v) ? v.GetBoolean() : otherwise;

        if (root.TryGetProperty("rope_scaling", out var scaling) && scaling.ValueKind != JsonValueKind.Null)
            throw new FormatException("'rope_scaling' is set; scaled rotary embeddings are not supported, only null is.");
        int dModel = Need("hidden_size");
        return new GptNeoXConfig
        {
            NLayers = Need("num_hidden_layers"),
            DModel = dModel,
            DMlp = root.TryGetProperty("intermediate_size", out var mlp) ? mlp.GetInt32() : 4 * dModel,
            NHeads = Need("num_attention_heads"),
            DVocab = Need("vocab_size"),
            MaxSequenceLength = Need("max_position_embeddings"),
            RotaryPct = Number("rotary_pct", 0.25),
            RotaryBase = Number("rotary_emb_base", Number("rope_theta", 10000)),
            LayerNormEpsilon = Number("layer_norm_eps", 1e-5),
            Activation = ActivationOf(root.TryGetProperty("hidden_act", out var act) ? act.GetString() : "gelu"),
            ParallelResidual = Flag("use_parallel_residual", true),
            TieWordEmbeddings = Flag("tie_word_embeddings", false),
        };
    }

    private static MlpActivation ActivationOf(string? name) => name switch
    {
        "gelu" => MlpActivation.Gelu,
        "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => MlpActivation.GeluTanh,
        "relu" => MlpActivation.Relu,
        "silu" or "swish" => MlpActivation.Silu,
        _ => throw new FormatException($"hidden_act is '{name}'; supported: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu."),
    };

    private GptNeoXConfig Validated(string source)
    {
        var faults = new List<string>();
        void Positive(int value, string name) { if (value < 1) faults.Add($"{name} is {value}; it must be 1 or more"); }
        Positive(NLayers, "num_hidden_layers");
        Positive(DModel, "hidden_size");
        Positive(DMlp, "intermediate_size");
        Positive(NHeads, "num_attention_heads");
        Positive(DVocab, "vocab_size");
        Positive(MaxSequenceLength, "max_position_embeddings");
        if (NHeads > 0 && DModel % NHeads != 0) faults.Add($"hidden_size {DModel} is not a multiple of num_attention_heads {NHeads}");
        if (RotaryPct is not (>= 0 and <= 1)) faults.Add($"rotary_pct is {RotaryPct}; it must lie in 0..1");
        else if (NHeads > 0 && RotaryWidth % 2 != 0) faults.Add($"rotary_pct {RotaryPct} rotates {RotaryWidth} of {DHead} numbers; that must be even");
        if (!(RotaryBase > 0)) faults.Add($"rotary_emb_base is {RotaryBase}; it must be positive");
        if (!(LayerNormEpsilon >= 0)) faults.Add($"layer_norm_eps is {LayerNormEpsilon}; it must not be negative");
        return faults.Count == 0 ? this : throw new InvalidDataException($"{source}: {string.Join("; ", faults)}.");
    }
}
