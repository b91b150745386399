using Parsimony.Models;
using Parsimony.Splicing;

namespace Parsimony.FineTuning;

/// <summary>What an adapter belongs to and how it is applied.</summary>
public sealed record AdapterMetadata
{
    /// <summary>Name or folder of the base model.</summary>
    public required string BaseModelName { get; init; }

    /// <summary>SHA-256 of the base model's weights (<see cref="Transformer.Sha256"/>), lower-case hex.</summary>
    public required string BaseModelSha256 { get; init; }

    /// <summary>Name or folder of the SAE.</summary>
    public required string SaeName { get; init; }

    /// <summary>SHA-256 of the SAE's weights, lower-case hex.</summary>
    public required string SaeSha256 { get; init; }

    /// <summary>Where the SAE and its dials sit.</summary>
    public required HookPoint At { get; init; }

    /// <summary>Number of latents.</summary>
    public required int DSae { get; init; }

    /// <summary>The splice mode the dials were trained in.</summary>
    public required SpliceMode Mode { get; init; }

    /// <summary>Figures for the model card, by name, such as <c>held_out_before</c>; may be empty.</summary>
    public IReadOnlyDictionary<string, double> Results { get; init; } = new Dictionary<string, double>();

    /// <summary>Refuses another model or SAE.</summary>
    /// <param name="modelSha256">SHA-256 of the model at hand; null when it has none, being in memory only.</param>
    /// <param name="saeSha256">SHA-256 of the SAE at hand.</param>
    /// <exception cref="InvalidDataException">One of them is not the one the dials were trained on.</exception>
    public void EnsureFits(string? modelSha256, string? saeSha256)
    {
        if (modelSha256 != BaseModelSha256) throw new InvalidDataException(
            $"the adapter was trained on model {Short(BaseModelSha256)} ('{BaseModelName}'); this model is {Short(modelSha256)}. "
            + "Use the model it was trained on.");
        if (saeSha256 != SaeSha256) throw new InvalidDataException(
            $"the adapter was trained on SAE {Short(SaeSha256)} ('{SaeName}'); this SAE is {Short(saeSha256)}. Use the SAE it was trained on.");
    }

    /// <summary>The first 12 digits, enough to tell files apart by eye.</summary>
    internal static string Short(string? sha256) => sha256 is null ? "without a hash" : sha256[..Math.Min(12, sha256.Length)];
}
