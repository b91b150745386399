using Parsimony.Models;

namespace Parsimony.Autoencoders;

/// <summary>What an SAE is for and how it came about; kept under <c>metadata</c> in its <c>cfg.json</c>.</summary>
public sealed record SaeMetadata
{
    /// <summary>The loss this project minimises, stated in every saved SAE because its coefficient means nothing without it.</summary>
    public const string Loss = "mean over tokens of [ sum over d_model of (x - x_hat)^2 + l1_coefficient * sum over latents of f ]";

    /// <summary>Where the activations were read.</summary>
    public required HookPoint Hook { get; init; }

    /// <summary>Where a transcoder writes; null for autoencoders, which write where they read.</summary>
    public HookPoint? HookOut { get; init; }

    /// <summary>Name of the model, for people; its folder's name as a rule.</summary>
    public required string ModelName { get; init; }

    /// <summary>SHA-256 of the model's weights, lower-case hex; null when unknown.</summary>
    public string? ModelSha256 { get; init; }

    /// <summary>How the model's matrices were kept while its activations were read; null when unknown.</summary>
    public WeightStorage? ModelWeights { get; init; }

    /// <summary>SHA-256 of the adapter that the model was tuned by while its activations were read, lower-case hex; null: it was the model as it is.</summary>
    public string? AdapterSha256 { get; init; }

    /// <summary>Where that adapter was; null: there was none.</summary>
    public string? AdapterFolder { get; init; }

    /// <summary>SHA-256 of tokenizer.json, lower-case hex; null when unknown.</summary>
    public string? TokenizerSha256 { get; init; }

    /// <summary>Tokens of a context during training; 0 when unknown.</summary>
    public int ContextSize { get; init; }

    /// <summary>Name of the training text, for people; null when unknown.</summary>
    public string? DatasetPath { get; init; }

    /// <summary>Tokens trained on; 0 when unknown.</summary>
    public long TrainingTokens { get; init; }

    /// <summary>Seed of the training run; null when unknown.</summary>
    public long? Seed { get; init; }

    /// <summary>Active latents per token it was trained for, where the SAE itself does not say it: BatchTopK, which is used through its threshold; null for others.</summary>
    public int? K { get; init; }

    /// <summary>The weight of the L1 term at the end of training; null when unknown.</summary>
    public double? L1Coefficient { get; init; }

    /// <summary>The loss that was minimised, in words; null when unknown.</summary>
    public string? LossConvention { get; init; } = Loss;

    /// <summary>How decoder rows were kept at unit norm, in words; null when unknown.</summary>
    public string? DecoderConstraint { get; init; }

    /// <summary>Name and version of the program that trained it; null when unknown.</summary>
    public string? TrainedBy { get; init; } = ThisProgram;

    /// <summary>What else the file says under <c>metadata</c>, as one JSON object, kept to be written back; null: nothing that our own SAEs do not say.</summary>
    public string? OtherKeys { get; init; }

    /// <summary>Name and version of this program.</summary>
    public static string ThisProgram { get; } = "parsimony " + typeof(SaeMetadata).Assembly.GetName().Version!.ToString(3);

    /// <summary>Checks that the SAE may be used in a model, at its own hook.</summary>
    /// <param name="sae">The autoencoder this metadata belongs to.</param>
    /// <param name="model">Shape of the model.</param>
    /// <param name="at">The hook it is to be used at; null: its own.</param>
    /// <param name="modelSha256">Hash of the model's weights; null: not checked.</param>
    /// <param name="tokenizerSha256">Hash of the tokenizer; null: not checked.</param>
    /// <param name="modelWeights">How the model's matrices are kept; null: not checked.</param>
    /// <exception cref="InvalidDataException">Other hook, other width, other model, kept in another way, or other tokenizer; the message says which.</exception>
    public void EnsureFits(ISparseAutoencoder sae, IModelConfig model, HookPoint? at = null, string? modelSha256 = null,
        string? tokenizerSha256 = null, WeightStorage? modelWeights = null)
    {
        if (at is { } hook && hook != Hook)
            throw new InvalidDataException($"This SAE was trained at {Hook}, not at {hook}. Use {Hook}, or train an SAE at {hook}.");
        if (Hook.Layer >= model.NLayers)
            throw new InvalidDataException($"This SAE was trained at {Hook}, but the model's layers are 0 to {model.NLayers - 1}. "
                + $"Use the model it was trained on ({ModelName}).");
        int width = model.Width(Hook.Site);
        if (sae.DModel != width)
            throw new InvalidDataException($"This SAE takes activations of width {sae.DModel}, but {Hook} of this model has width {width}. "
                + $"Use the model it was trained on ({ModelName}), or train an SAE on this one.");
        EnsureSame("model", ModelSha256, modelSha256, $"Use the model it was trained on ({ModelName}), or train an SAE on this one.");
        if (ModelWeights is { } trained && modelWeights is { } kept && trained != kept) throw new InvalidDataException(
            $"This SAE was trained on the model's activations with its weights in {trained.Name()}; here they are in {kept.Name()}, and the activations are not the same. "
            + $"Use --weights {trained.Name()}, or train an SAE on {kept.Name()}.");
        EnsureSame("tokenizer", TokenizerSha256, tokenizerSha256, "Use the tokenizer.json that was beside the model in training.");
    }

    private static void EnsureSame(string what, string? trained, string? given, string advice)
    {
        if (trained is not null && given is not null && !string.Equals(trained, given, StringComparison.OrdinalIgnoreCase))
            throw new InvalidDataException($"This SAE was trained with another {what}: SHA-256 {Short(trained)}, this one has {Short(given)}. {advice}");
    }

    private static string Short(string sha256) => sha256.Length > 12 ? sha256[..12] + "…" : sha256;
}
