using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Models;

namespace Parsimony.Autoencoders;

/// <summary><c>cfg.json</c> of an SAE folder: the keys SAELens 6 needs, with ours beside its own under <c>metadata</c>.</summary>
internal static class SaeConfigJson
{
    /// <summary>The SAELens version whose layout is written; below 6 its readers would look for the old flat keys.</summary>
    private const string SaeLensVersion = "6.18.0";

    /// <summary>Put before a transcoder's architecture where it keeps k latents: SAELens has no such thing, and refuses a word it does not know.</summary>
    public const string TopKPrefix = "topk_";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>SAELens' keys under metadata that mean nothing here, with what is true of our SAEs.</summary>
    public static JsonObject Fixed => new()
    {
        ["sae_lens_training_version"] = null,
        ["model_class_name"] = "AutoModelForCausalLM",
        ["hook_head_index"] = null,
        ["seqpos_slice"] = null,
        ["model_from_pretrained_kwargs"] = new JsonObject(),
        ["prepend_bos"] = false,
        ["exclude_special_tokens"] = false,
        ["sequence_separator_token"] = "eos",
        ["disable_concat_sequences"] = false,
    };

    /// <summary>The keys under metadata that are properties of <see cref="SaeMetadata"/>.</summary>
    public static IReadOnlySet<string> Own { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "sae_lens_version", "model_name", "hook_name", "hook_name_out", "context_size", "dataset_path", "hook_point", "hook_point_out", "model_sha256", "model_weights", "adapter_sha256", "adapter_name_or_path",
        "tokenizer_sha256", "training_tokens", "seed", "k", "l1_coefficient", "loss_convention", "decoder_constraint", "trained_by",
    };

    /// <summary>The text of cfg.json.</summary>
    /// <param name="sae">The autoencoder.</param>
    /// <param name="of">What it is for.</param>
    /// <param name="normalisation">SAELens' word for what is done to its input.</param>
    public static string Write(ISparseAutoencoder sae, SaeMetadata of, string normalisation)
    {
        var cfg = new JsonObject
        {
            ["architecture"] = sae is Transcoder { K: not null } ? TopKPrefix + sae.Architecture : sae.Architecture,
            ["d_in"] = sae.DModel,
            ["d_sae"] = sae.DSae,
            ["dtype"] = "float32",
            ["device"] = "cpu",
            ["apply_b_dec_to_input"] = AppliesBDecToInput(sae),
            ["normalize_activations"] = normalisation,
            ["reshape_activations"] = "none",
        };
        if (sae is Transcoder) cfg["d_out"] = sae.DOut;
        if (sae is TopKSae topK)
        {
            cfg["k"] = topK.K;
            cfg["rescale_acts_by_decoder_norm"] = false;
        }
        if (sae is Transcoder { K: { } k }) cfg["k"] = k;
        cfg["metadata"] = Metadata(of);
        return cfg.ToJsonString(Indented) + "\n";
    }

    /// <summary>Whether the encoder takes b_dec off its input.</summary>
    public static bool AppliesBDecToInput(ISparseAutoencoder sae) => sae switch
    {
        StandardSae standard => standard.ApplyBDecToInput,
        JumpReluSae jump => jump.ApplyBDecToInput,
        TopKSae topK => topK.ApplyBDecToInput,
        GatedSae gated => gated.ApplyBDecToInput,
        Transcoder => false,
        _ => throw new NotSupportedException($"An SAE of architecture '{sae.Architecture}' has no file format."),
    };

    private static JsonObject Metadata(SaeMetadata of)
    {
        var metadata = new JsonObject
        {
            ["sae_lens_version"] = SaeLensVersion,
            ["sae_lens_training_version"] = null,
            ["model_name"] = of.ModelName,
            ["model_class_name"] = null,
            ["hook_name"] = of.Hook.TransformerLensName,
            ["hook_head_index"] = null,
            ["context_size"] = of.ContextSize,
        };
        foreach (var (key, value) in Fixed) metadata[key] = value?.DeepClone();
        metadata["dataset_path"] = of.DatasetPath;
        metadata["hook_point"] = of.Hook.ToString();
        if (of.HookOut is { } hookOut)
        {
            metadata["hook_name_out"] = hookOut.TransformerLensName;
            metadata["hook_point_out"] = hookOut.ToString();
        }
        metadata["model_sha256"] = of.ModelSha256;
        metadata["model_weights"] = of.ModelWeights?.Name();
        if (of.AdapterSha256 is not null) (metadata["adapter_sha256"], metadata["adapter_name_or_path"]) = (of.AdapterSha256, of.AdapterFolder);
        metadata["tokenizer_sha256"] = of.TokenizerSha256;
        metadata["training_tokens"] = of.TrainingTokens;
        metadata["seed"] = of.Seed;
        if (of.K is { } k) metadata["k"] = k;
        metadata["l1_coefficient"] = of.L1Coefficient;
        metadata["loss_convention"] = of.LossConvention;
        metadata["decoder_constraint"] = of.DecoderConstraint;
        metadata["trained_by"] = of.TrainedBy;
        if (of.OtherKeys is not null)
            foreach (var (key, value) in JsonNode.Parse(of.OtherKeys)!.AsObject()) metadata[key] = value?.DeepClone();
        return metadata;
    }
}
