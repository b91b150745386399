using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;

namespace Parsimony.Autoencoders;

/// <summary><c>cfg.json</c> of an SAE folder: the keys SAELens 6 needs, with ours beside its own under <c>metadata</c>.</summary>
internal sealed record SaeConfigJson(int DModel, int DSae, bool ApplyBDecToInput, SaeMetadata Metadata)
{
    /// <summary>The SAELens version whose layout is written; below 6 its readers would look for the old flat keys.</summary>
    private const string SaeLensVersion = "6.18.0";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The text of cfg.json. Always <c>apply_b_dec_to_input</c> true, the article's form.</summary>
    public string ToJson() => new JsonObject
    {
        ["architecture"] = "standard",
        ["d_in"] = DModel,
        ["d_sae"] = DSae,
        ["dtype"] = "float32",
        ["device"] = "cpu",
        ["apply_b_dec_to_input"] = true,
        ["normalize_activations"] = "none",
        ["reshape_activations"] = "none",
        ["metadata"] = new JsonObject
        {
            ["sae_lens_version"] = SaeLensVersion,
            ["sae_lens_training_version"] = null,
            ["model_name"] = Metadata.ModelName,
            ["model_class_name"] = "AutoModelForCausalLM",
            ["hook_name"] = Metadata.Hook.TransformerLensName,
            ["hook_head_index"] = null,
            ["context_size"] = Metadata.ContextSize,
            ["seqpos_slice"] = null,
            ["model_from_pretrained_kwargs"] = new JsonObject(),
            ["prepend_bos"] = false,
            ["exclude_special_tokens"] = false,
            ["sequence_separator_token"] = "eos",
            ["disable_concat_sequences"] = false,
            ["dataset_path"] = Metadata.DatasetPath,
            ["hook_point"] = Metadata.Hook.ToString(),
            ["model_sha256"] = Metadata.ModelSha256,
            ["tokenizer_sha256"] = Metadata.TokenizerSha256,
            ["training_tokens"] = Metadata.TrainingTokens,
            ["seed"] = Metadata.Seed,
            ["l1_coefficient"] = Metadata.L1Coefficient,
            ["loss_convention"] = Metadata.LossConvention,
            ["decoder_constraint"] = Metadata.DecoderConstraint,
            ["trained_by"] = Metadata.TrainedBy,
        },
    }.ToJsonString(Indented) + "\n";

    /// <summary>Reads our own cfg.json, SAELens 6's, and the flat one of earlier versions.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Its path, for messages.</param>
    /// <exception cref="InvalidDataException">Not JSON, another architecture, or a key that this project cannot honour.</exception>
    public static SaeConfigJson Parse(string json, string source)
    {
        try
        {
            var cfg = Json.ParseObject(json, source);
            var metadata = cfg["metadata"] as JsonObject ?? cfg; // before version 6 there was one flat level
            Refuse(cfg, metadata, source);
            string hook = Text(metadata, "hook_name") ?? Text(metadata, "hook_point")
                ?? throw new InvalidDataException($"{source} names no hook_name; expected one such as blocks.1.hook_mlp_out.");
            return new SaeConfigJson(Required(cfg, "d_in", source), Required(cfg, "d_sae", source),
                (bool?)cfg["apply_b_dec_to_input"] ?? true,
                new SaeMetadata
                {
                    Hook = HookPoint.Parse(hook),
                    ModelName = Text(metadata, "model_name") ?? "unknown",
                    ModelSha256 = Text(metadata, "model_sha256"),
                    TokenizerSha256 = Text(metadata, "tokenizer_sha256"),
                    ContextSize = (int?)metadata["context_size"] ?? 0,
                    DatasetPath = Text(metadata, "dataset_path"),
                    TrainingTokens = (long?)metadata["training_tokens"] ?? 0,
                    Seed = (long?)metadata["seed"],
                    L1Coefficient = (double?)metadata["l1_coefficient"],
                    LossConvention = Text(metadata, "loss_convention"),
                    DecoderConstraint = Text(metadata, "decoder_constraint"),
                    TrainedBy = Text(metadata, "trained_by"),
                });
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or OverflowException)
        {
            throw new InvalidDataException($"{source} cannot be read as an SAE's cfg.json: {e.Message}", e);
        }
    }

    private static void Refuse(JsonObject cfg, JsonObject metadata, string source)
    {
        string architecture = Text(cfg, "architecture") ?? "standard";
        if (architecture != "standard")
            throw new InvalidDataException($"{source} describes an SAE of architecture '{architecture}'; "
                + "only 'standard' (ReLU) can be used here.");
        void Only(JsonObject at, string key, string allowed)
        {
            if (Text(at, key) is { } value && value != allowed)
                throw new InvalidDataException($"{source} has {key} '{value}'; only '{allowed}' can be used here.");
        }
        Only(cfg, "activation_fn", "relu");
        Only(cfg, "activation_fn_str", "relu");
        if (cfg["normalize_activations"]?.GetValueKind() == JsonValueKind.True)
            throw new InvalidDataException($"{source} has normalize_activations true; fold the scale into the weights first.");
        if (cfg["normalize_activations"]?.GetValueKind() != JsonValueKind.False) Only(cfg, "normalize_activations", "none");
        Only(cfg, "reshape_activations", "none");
        if (metadata["hook_head_index"] is not null || metadata["hook_point_head_index"] is not null)
            throw new InvalidDataException($"{source} is for a single attention head; only whole hook points can be used here.");
    }

    private static string? Text(JsonObject at, string key) =>
        at[key] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : null;

    private static int Required(JsonObject at, string key, string source) =>
        (int?)at[key] is { } value and > 0 ? value : throw new InvalidDataException($"{source} has no positive {key}.");
}
