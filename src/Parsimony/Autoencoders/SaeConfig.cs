using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Autoencoders.Formats;
using Parsimony.Files;
using Parsimony.Models;

namespace Parsimony.Autoencoders;

/// <summary>What a <c>cfg.json</c> says, in SAELens 6's words: ours, its own, or the flat one before version 6.</summary>
internal sealed record SaeConfig
{
    private static readonly string[] Known =
    [
        "standard", "topk", "jumprelu", "gated", "transcoder", "skip_transcoder", "batchtopk", "matryoshka_batchtopk",
        SaeConfigJson.TopKPrefix + "transcoder", SaeConfigJson.TopKPrefix + "skip_transcoder",
    ];

    public required string Architecture { get; init; }
    public required int DModel { get; init; }
    public required int DSae { get; init; }

    /// <summary>Width of what is written; d_in where the file does not say.</summary>
    public required int DOut { get; init; }

    /// <summary>Latents a token keeps; null where the file does not say.</summary>
    public int? K { get; init; }

    public bool ApplyBDecToInput { get; init; }

    /// <summary>SAELens' word for what is done to the input.</summary>
    public required string Normalisation { get; init; }

    /// <summary>Whether TopK ranks latents by their activation times the norm of their decoder row.</summary>
    public bool RescalesByDecoderNorm { get; init; }

    /// <summary>Whether the tensor scaling_factor is to be multiplied into the decoder.</summary>
    public bool ScalesDecoder { get; init; }

    /// <summary>The place as the file names it; null where it does not.</summary>
    public string? HookName { get; init; }

    public HookPoint? Hook { get; init; }

    /// <summary>All else; the hook in it means nothing where <see cref="Hook"/> is null.</summary>
    public required SaeMetadata Metadata { get; init; }

    /// <summary>The file as found.</summary>
    public required JsonObject Json { get; init; }

    /// <summary>Reads a cfg.json.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Its path, for messages.</param>
    /// <exception cref="InvalidDataException">Not JSON, an architecture that is not known, or a key that cannot be honoured.</exception>
    public static SaeConfig Parse(string json, string source)
    {
        var cfg = Files.Json.ParseObject(json, source);
        try
        {
            return Parse(cfg, source);
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or OverflowException)
        {
            throw new InvalidDataException($"{source} cannot be read as an SAE's cfg.json: {e.Message}", e);
        }
    }

    private static SaeConfig Parse(JsonObject cfg, string source)
    {
        var inner = cfg["metadata"] as JsonObject;
        var metadata = inner ?? cfg; // before version 6 there was one flat level
        string activation = Text(cfg, "activation_fn") ?? Text(cfg, "activation_fn_str") ?? "relu";
        string architecture = Text(cfg, "architecture") ?? "standard";
        if (architecture == "standard" && activation == "topk") (architecture, activation) = ("topk", "relu");
        if (!Known.Contains(architecture))
            throw new InvalidDataException($"{source} describes an SAE of architecture '{architecture}'; known here: {string.Join(", ", Known)}.");
        if (activation is not "relu" && !(activation is "topk" && architecture is "topk"))
            throw new InvalidDataException($"{source} has activation_fn '{activation}'; only 'relu' and 'topk' are read.");
        if (Text(cfg, "reshape_activations") is { } reshape and not "none")
            throw new InvalidDataException($"{source} has reshape_activations '{reshape}'; only 'none' can be used here.");
        if (metadata["hook_head_index"] is not null || metadata["hook_point_head_index"] is not null)
            throw new InvalidDataException($"{source} is for a single attention head; only whole hook points can be used here.");

        string? hookName = Text(metadata, "hook_name") ?? Text(metadata, "hook_point");
        var hook = HookPoint.ParseOrNull(Text(metadata, "hook_point")) ?? HookPoint.ParseOrNull(hookName);
        return new SaeConfig
        {
            Architecture = architecture,
            DModel = Required(cfg, "d_in", source),
            DSae = Required(cfg, "d_sae", source),
            DOut = cfg["d_out"] is null ? Required(cfg, "d_in", source) : Required(cfg, "d_out", source),
            K = (int?)(cfg["k"] ?? (cfg["activation_fn_kwargs"] as JsonObject)?["k"]),
            ApplyBDecToInput = (bool?)cfg["apply_b_dec_to_input"] ?? true,
            Normalisation = Normalising(cfg, source),
            RescalesByDecoderNorm = (bool?)cfg["rescale_acts_by_decoder_norm"] ?? false,
            ScalesDecoder = (bool?)cfg["finetuning_scaling_factor"] ?? false,
            HookName = hookName,
            Hook = hook,
            Json = cfg,
            Metadata = new SaeMetadata
            {
                Hook = hook ?? default,
                HookOut = HookPoint.ParseOrNull(Text(metadata, "hook_point_out") ?? Text(metadata, "hook_name_out") ?? Text(cfg, "hook_name_out")),
                ModelName = Text(metadata, "model_name") ?? "unknown",
                ModelSha256 = Text(metadata, "model_sha256"),
                ModelWeights = WeightStorageName.ParseOrNull(Text(metadata, "model_weights")),
                AdapterSha256 = Text(metadata, "adapter_sha256"),
                AdapterFolder = Text(metadata, "adapter_name_or_path"),
                TokenizerSha256 = Text(metadata, "tokenizer_sha256"),
                ContextSize = (int?)metadata["context_size"] ?? 0,
                DatasetPath = Text(metadata, "dataset_path"),
                TrainingTokens = (long?)metadata["training_tokens"] ?? 0,
                Seed = (long?)metadata["seed"],
                K = architecture is "jumprelu" or "batchtopk" or "matryoshka_batchtopk" ? (int?)metadata["k"] ?? (int?)cfg["k"] : null,
                L1Coefficient = (double?)metadata["l1_coefficient"],
                LossConvention = Text(metadata, "loss_convention"),
                DecoderConstraint = Text(metadata, "decoder_constraint"),
                TrainedBy = Text(metadata, "trained_by"),
                OtherKeys = Others(inner, cfg),
            },
        };
    }

    // What others say under metadata that our SAEs do not, to be written back: whether a BOS was put before each context, for one.
    private static string? Others(JsonObject? metadata, JsonObject cfg)
    {
        var others = new JsonObject();
        var usual = SaeConfigJson.Fixed;
        if (metadata is not null)
        {
            foreach (var (key, value) in metadata)
                if (!SaeConfigJson.Own.Contains(key) && !(usual.ContainsKey(key) && JsonNode.DeepEquals(value, usual[key])))
                    others[key] = value?.DeepClone();
        }
        else
        {
            others["prepend_bos"] = (bool?)cfg["prepend_bos"] ?? true; // the default before version 6
            foreach (var (key, _) in usual)
                if (key != "prepend_bos" && cfg[key] is { } value && !JsonNode.DeepEquals(value, usual[key])) others[key] = value.DeepClone();
        }
        return others.Count == 0 ? null : others.ToJsonString();
    }

    private static string Normalising(JsonObject cfg, string source)
    {
        const string folded = "expected_average_only_in";
        return cfg["normalize_activations"]?.GetValueKind() switch
        {
            null or JsonValueKind.False => StoredSae.Unnormalised,
            JsonValueKind.True => folded,
            _ => Text(cfg, "normalize_activations") is { } word and (StoredSae.Unnormalised or StoredSae.LayerNorm or StoredSae.ConstantNorm or folded)
                ? word : throw new InvalidDataException($"{source} has normalize_activations {cfg["normalize_activations"]!.ToJsonString()}; known here: "
                    + $"{StoredSae.Unnormalised}, {StoredSae.LayerNorm}, {StoredSae.ConstantNorm}, {folded}."),
        };
    }

    private static string? Text(JsonObject at, string key) =>
        at[key] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    private static int Required(JsonObject at, string key, string source) =>
        (int?)at[key] is { } value and > 0 ? value : throw new InvalidDataException($"{source} has no positive {key}.");
}
