using Parsimony.Autoencoders.Formats;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>An SAE on disk, in the layout of SAELens 6: <c>cfg.json</c>, <c>sae_weights.safetensors</c> (<c>W_enc [d_model, d_sae]</c>, <c>W_dec [d_sae, d_out]</c>, and
/// what else its architecture has), and, where it was measured, <c>sparsity.safetensors</c> (log10 of each latent's firing density).</summary>
public static class SaeFolder
{
    private const string ConfigFile = "cfg.json", WeightsFile = "sae_weights.safetensors", SparsityFile = "sparsity.safetensors", ScalerFile = "activation_scaler.json";
    private const double SmallestDensity = 1e-10; // SAELens' own, so that a latent that never fires stays finite

    /// <summary>Writes the folder, making it when absent. Each file is written under a temporary name and renamed, cfg.json last: a folder
    /// with a cfg.json is complete.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="sae">Any architecture of this project.</param>
    /// <param name="metadata">What it is for.</param>
    /// <param name="density">Fraction of tokens on which each latent fires, <c>[d_sae]</c>, 0 to 1; null: not measured.</param>
    public static void Save(string folder, ISparseAutoencoder sae, SaeMetadata metadata, Tensor? density = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Write(folder, sae, metadata, StoredSae.Unnormalised, density is null ? null : (density.to(ScalarType.Float64) + SmallestDensity).log10());
    }

    /// <summary>Reads an SAE that this project or SAELens saved; any float type becomes float32.</summary>
    /// <returns>The autoencoder, the caller's to dispose, and what it is for.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">An architecture or a hook that is not known here, an input that must be normalised, or files that contradict
    /// each other.</exception>
    public static (ISparseAutoencoder Sae, SaeMetadata Metadata) Load(string folder) => SaeFiles.Usable(Read(folder), folder, null);

    /// <summary>SHA-256 of the folder's weights file, lower-case hex: what an adapter names its SAE by.</summary>
    /// <exception cref="FileNotFoundException">The folder holds no SAE.</exception>
    public static string Sha256(string folder) => FileHash.Sha256(WeightsPath(folder));

    /// <summary>Whether a folder holds both files.</summary>
    internal static bool Is(string path) => File.Exists(Path.Combine(path, ConfigFile)) && File.Exists(Path.Combine(path, WeightsFile));

    internal static string WeightsPath(string folder) => Existing(folder, WeightsFile);

    /// <summary>Writes what a file of another format held.</summary>
    internal static void Write(string folder, ISparseAutoencoder sae, SaeMetadata metadata, string normalisation, Tensor? logDensity)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        string cfg = SaeConfigJson.Write(sae, metadata, normalisation); // may refuse, before anything is written
        SafetensorsFile.Write(Path.Combine(folder, WeightsFile),
            sae.Weights.Select(w => w.Key == "W_skip" ? KeyValuePair.Create(w.Key, w.Value.t()) : w)); // SAELens keeps [d_out, d_in]
        if (logDensity is not null)
            SafetensorsFile.Write(Path.Combine(folder, SparsityFile), [new("sparsity", logDensity.to(ScalarType.Float32))]);
        AtomicFile.WriteText(Path.Combine(folder, ConfigFile), cfg);
    }

    /// <summary>Reads the folder whole, also what cannot be run here.</summary>
    internal static StoredSae Read(string folder)
    {
        string config = Existing(folder, ConfigFile), weights = Existing(folder, WeightsFile);
        var cfg = SaeConfig.Parse(File.ReadAllText(config), config);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = SafetensorsFile.Open(weights);
        var fold = Scale(folder, cfg, config);
        Tensor? logDensity = null;
        if (Path.Combine(folder, SparsityFile) is var sparsity && File.Exists(sparsity))
        {
            using var densities = SafetensorsFile.Open(sparsity);
            logDensity = NamedTensors.Of(densities).Read("sparsity", cfg.DSae);
        }
        var sae = SaeWeights.Build(cfg, NamedTensors.Of(file), fold);
        return new StoredSae
        {
            Sae = sae,
            Hook = cfg.Hook,
            HookOut = cfg.Metadata.HookOut,
            HookName = cfg.HookName,
            ModelName = cfg.Metadata.ModelName is "unknown" ? null : cfg.Metadata.ModelName,
            Normalisation = fold is null ? cfg.Normalisation : StoredSae.Unnormalised,
            LogDensity = logDensity?.DetachFromDisposeScope(),
            From = SaeFormat.Saelens,
            Config = cfg.Json,
            Said = cfg.Metadata,
        };
    }

    // A checkpoint of SAELens that was saved before its input's scale was folded in has the scale beside it.
    private static double? Scale(string folder, SaeConfig cfg, string config)
    {
        if (cfg.Normalisation != "expected_average_only_in") return null;
        string path = Path.Combine(folder, ScalerFile);
        double? scale = File.Exists(path) ? (double?)Json.ParseObject(File.ReadAllText(path), path)["scaling_factor"] : null;
        return scale is > 0 ? scale : throw new InvalidDataException($"{config} has normalize_activations 'expected_average_only_in', whose scale should be the "
            + $"scaling_factor in {ScalerFile} beside it; there is none. Save the SAE for inference with SAELens, which folds it in.");
    }

    private static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path)
            ? path
            : throw new FileNotFoundException($"'{folder}' is not an SAE folder: it has no {name}. Expected {ConfigFile} and {WeightsFile}.", path);
    }
}
