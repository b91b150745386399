using Parsimony.Models;
using Parsimony.Splicing;

namespace Parsimony.FineTuning;

/// <summary>An SAE that an adapter's dials sit on.</summary>
/// <param name="At">Its hook point.</param>
/// <param name="DSae">Number of latents.</param>
/// <param name="SaeName">Name or folder of the SAE.</param>
/// <param name="SaeSha256">SHA-256 of its weights, lower-case hex.</param>
public sealed record AdapterHook(HookPoint At, int DSae, string SaeName, string SaeSha256);

/// <summary>What an adapter belongs to and how it is applied.</summary>
public sealed record AdapterMetadata
{
    /// <summary>Name or folder of the base model.</summary>
    public required string BaseModelName { get; init; }

    /// <summary>SHA-256 of the base model's weights (<see cref="Transformer.Sha256"/>), lower-case hex.</summary>
    public required string BaseModelSha256 { get; init; }

    /// <summary>The SAEs, in the order of the pass; one or more.</summary>
    public required IReadOnlyList<AdapterHook> Hooks { get; init; }

    /// <summary>The splice mode the dials were trained in.</summary>
    public required SpliceMode Mode { get; init; }

    /// <summary>The tokens at which they act. Default all.</summary>
    public TokenPositions Positions { get; init; }

    /// <summary>Figures for the model card, by name, such as <c>held_out_before</c>; may be empty.</summary>
    public IReadOnlyDictionary<string, double> Results { get; init; } = new Dictionary<string, double>();

    /// <summary>Refuses another model or SAE.</summary>
    /// <param name="modelSha256">SHA-256 of the model at hand; null when it has none, being in memory only.</param>
    /// <param name="saes">SHA-256 of the SAEs at hand, by hook point.</param>
    /// <exception cref="InvalidDataException">One of them is not the one the dials were trained on, or is missing.</exception>
    public void EnsureFits(string? modelSha256, IReadOnlyDictionary<HookPoint, string> saes)
    {
        EnsureModel(BaseModelSha256, BaseModelName, modelSha256);
        foreach (var hook in Hooks)
        {
            if (saes.GetValueOrDefault(hook.At) is not { } sae) throw new InvalidDataException(
                $"the adapter has dials for SAE {Short(hook.SaeSha256)} ('{hook.SaeName}') at {hook.At}; there is none there. Give every SAE it was trained on.");
            if (sae != hook.SaeSha256) throw new InvalidDataException(
                $"the adapter was trained on SAE {Short(hook.SaeSha256)} ('{hook.SaeName}'); this SAE is {Short(sae)}. Use the SAE it was trained on.");
        }
    }

    /// <summary>Refuses another model.</summary>
    internal static void EnsureModel(string trainedOn, string name, string? modelSha256)
    {
        if (modelSha256 != trainedOn) throw new InvalidDataException(
            $"the adapter was trained on model {Short(trainedOn)} ('{name}'); this model is {Short(modelSha256)}. Use the model it was trained on.");
    }

    /// <summary>The first 12 digits, enough to tell files apart by eye.</summary>
    internal static string Short(string? sha256) => sha256 is null ? "without a hash" : sha256[..Math.Min(12, sha256.Length)];
}
