using System.Text.Json.Nodes;
using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>An SAE as a file holds it, with what the file says about it and what only its own format knows.</summary>
public sealed record StoredSae : IDisposable
{
    /// <summary>No normalisation of the input: what every SAE of this project takes.</summary>
    public const string Unnormalised = "none";

    /// <summary>Per token <c>(x - mean) / (standard deviation + 1e-5)</c>, undone on the output; OpenAI's TopK SAEs.</summary>
    public const string LayerNorm = "layer_norm";

    /// <summary>Per token <c>x sqrt(d_model) / |x|</c>, undone on the output.</summary>
    public const string ConstantNorm = "constant_norm_rescale";

    private static readonly Dictionary<string, Tensor> Nothing = [];

    /// <summary>The autoencoder; disposed with this.</summary>
    public required ISparseAutoencoder Sae { get; init; }

    /// <summary>Where its activations come from; null where the file does not say it, or names a place that is not a hook point here.</summary>
    public HookPoint? Hook { get; init; }

    /// <summary>Where a transcoder writes; null for others, and where the file does not say it.</summary>
    public HookPoint? HookOut { get; init; }

    /// <summary>The place as the file names it; null where it does not.</summary>
    public string? HookName { get; init; }

    /// <summary>Name of the model; null when unknown.</summary>
    public string? ModelName { get; init; }

    /// <summary>What is done to the input before it is encoded, in SAELens' word; <see cref="Unnormalised"/> for all that can be run here.</summary>
    public string Normalisation { get; init; } = Unnormalised;

    /// <summary>log10 of the fraction of tokens on which each latent fires, <c>[d_sae]</c>; null where it was not kept.</summary>
    public Tensor? LogDensity { get; init; }

    /// <summary>The format it was read from; null for one that was never in a file.</summary>
    public SaeFormat? From { get; init; }

    /// <summary>Its configuration file as found; null without one.</summary>
    public JsonObject? Config { get; init; }

    /// <summary>Tensors of its file that say nothing about its function, such as statistics; kept for a file of the same format.</summary>
    public IReadOnlyDictionary<string, Tensor> Kept { get; init; } = Nothing;

    /// <summary>All the file says; the hook in it means nothing.</summary>
    internal SaeMetadata? Said { get; init; }

    /// <summary>What the SAE is for.</summary>
    /// <param name="at">Where it is to be used; null: where the file says.</param>
    /// <exception cref="InvalidDataException">Neither says where.</exception>
    public SaeMetadata MetadataAt(HookPoint? at = null)
    {
        var hook = at ?? Hook ?? throw new InvalidDataException(HookName is null
            ? "The file names no hook_name, and none was given; it must be one such as blocks.1.mlp_out."
            : $"The file names '{HookName}', which is not a hook point here; give the one it belongs to, such as blocks.1.mlp_out.");
        var said = Said ?? new SaeMetadata { Hook = hook, ModelName = "unknown", LossConvention = null, TrainedBy = null };
        return said with { Hook = hook, HookOut = HookOut ?? said.HookOut, ModelName = ModelName ?? said.ModelName };
    }

    /// <summary>Frees the autoencoder and the tensors kept beside it.</summary>
    public void Dispose()
    {
        Sae.Dispose();
        LogDensity?.Dispose();
        foreach (var tensor in Kept.Values) tensor.Dispose();
    }
}
