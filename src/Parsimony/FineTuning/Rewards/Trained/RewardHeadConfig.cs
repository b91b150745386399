using Parsimony.Models;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>What a head on disk belongs to and how it is read: <c>reward_config.json</c>.</summary>
public sealed record RewardHeadConfig
{
    /// <summary>Name of the base model, for people.</summary>
    public required string BaseModelName { get; init; }

    /// <summary>The folder it was opened from.</summary>
    public required string BaseModelFolder { get; init; }

    /// <summary>SHA-256 of the base model's weights (<see cref="Transformer.Sha256"/>), lower-case hex.</summary>
    public required string BaseModelSha256 { get; init; }

    /// <summary>How the base model's matrices were kept when the head was learnt.</summary>
    public WeightStorage BaseModelWeights { get; init; }

    /// <summary>Where its activation is read; null: the residual stream after the final norm.</summary>
    public HookPoint? Hook { get; init; }

    /// <summary>The SAE whose latents are read there, by its file or folder; null: none.</summary>
    public string? Sae { get; init; }

    /// <summary>SHA-256 of the SAE's weights, lower-case hex; null: none.</summary>
    public string? SaeSha256 { get; init; }

    /// <summary>Which tokens are read.</summary>
    public RewardPooling Pooling { get; init; }

    /// <summary>The names of the classes, in the order of the head's outputs; none: a reward.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Whether it learnt from texts that follow a prompt.</summary>
    public bool ReadsPrompt { get; init; }

    /// <summary>The most tokens that a prompt and a text may have together.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>See <see cref="RewardHeadResult.Gain"/>.</summary>
    public required IReadOnlyList<double> Gain { get; init; }

    /// <summary>See <see cref="RewardHeadResult.Offset"/>.</summary>
    public required IReadOnlyList<double> Offset { get; init; }

    /// <summary>Figures for the model card, by name, such as <c>held_out_accuracy</c>; may be empty.</summary>
    public IReadOnlyDictionary<string, double> Results { get; init; } = new Dictionary<string, double>();

    /// <summary>The latents that add most to rewards; none without an SAE.</summary>
    public IReadOnlyList<RewardLatent> Latents { get; init; } = [];

    /// <summary>Whether it gives one reward; else one number for each class.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsReward => Classes.Count == 0;

    /// <summary>Refuses another model or SAE.</summary>
    /// <param name="modelSha256">SHA-256 of the model at hand; null when it has none, being in memory only.</param>
    /// <param name="saeSha256">SHA-256 of the SAE at hand; null: none.</param>
    /// <exception cref="InvalidDataException">One of them is not the one the head was learnt on.</exception>
    public void EnsureFits(string? modelSha256, string? saeSha256)
    {
        if (modelSha256 != BaseModelSha256) throw new InvalidDataException(
            $"the reward model was learnt on model {AdapterMetadata.Short(BaseModelSha256)} ('{BaseModelName}'); this model is {AdapterMetadata.Short(modelSha256)}. Use the model it was learnt on.");
        if (saeSha256 != SaeSha256) throw new InvalidDataException(SaeSha256 is null ? "the reward model reads no SAE. Leave it out."
            : $"the reward model reads SAE {AdapterMetadata.Short(SaeSha256)} ('{Sae}'); this SAE is {AdapterMetadata.Short(saeSha256)}. Use the SAE it was learnt on.");
    }
}
