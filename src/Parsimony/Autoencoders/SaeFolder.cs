using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>An SAE on disk, in the layout of SAELens 6: <c>cfg.json</c> and <c>sae_weights.safetensors</c>
/// (<c>W_enc [d_model, d_sae]</c>, <c>W_dec [d_sae, d_model]</c>, <c>b_enc [d_sae]</c>, <c>b_dec [d_model]</c>).</summary>
public static class SaeFolder
{
    private const string ConfigFile = "cfg.json";
    private const string WeightsFile = "sae_weights.safetensors";

    /// <summary>Writes the folder, making it when absent. Each file is written under a temporary name and renamed, cfg.json last: a folder
    /// with a cfg.json is complete.</summary>
    public static void Save(string folder, ISparseAutoencoder sae, SaeMetadata metadata)
    {
        if (sae is not StandardSae { ApplyBDecToInput: true }) throw new NotSupportedException($"An SAE of architecture '{sae.Architecture}' cannot be saved yet.");
        SafetensorsFile.Write(Path.Combine(folder, WeightsFile),
            sae.Weights);
        AtomicFile.WriteText(Path.Combine(folder, ConfigFile), new SaeConfigJson(sae.DModel, sae.DSae, ApplyBDecToInput: true, metadata).ToJson());
    }

    /// <summary>Reads a standard (ReLU) SAE that this project or SAELens saved; any float type becomes float32.</summary>
    /// <returns>The autoencoder, the caller's to dispose, and what it is for.</returns>
    /// <remarks>Where cfg.json says <c>apply_b_dec_to_input: false</c> the encoder is <c>x W_enc + b_enc</c>; since
    /// <c>x W_enc + b_enc = (x - b_dec) W_enc + (b_enc + b_dec W_enc)</c>, the constant is folded into b_enc (in float64).</remarks>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">Another architecture, or files that contradict each other.</exception>
    public static (ISparseAutoencoder Sae, SaeMetadata Metadata) Load(string folder)
    {
        string config = Existing(folder, ConfigFile), weights = Existing(folder, WeightsFile);
        var cfg = SaeConfigJson.Parse(File.ReadAllText(config), config);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = SafetensorsFile.Open(weights);
        var wEnc = Read(file, "W_enc", cfg.DModel, cfg.DSae);
        var wDec = Read(file, "W_dec", cfg.DSae, cfg.DModel);
        var bEnc = Read(file, "b_enc", cfg.DSae);
        var bDec = Read(file, "b_dec", cfg.DModel);
        if (file.Contains("scaling_factor") && file.Read("scaling_factor").ne(1).any().item<bool>())
            throw new InvalidDataException($"{weights} has a scaling_factor other than 1, a fine-tuned decoder scale; fold it into W_dec first.");
        if (!cfg.ApplyBDecToInput)
            bEnc = bDec.to(ScalarType.Float64).matmul(wEnc.to(ScalarType.Float64)).add_(bEnc);
        return (new StandardSae(wEnc, wDec, bEnc, bDec), cfg.Metadata);
    }

    /// <summary>SHA-256 of the folder's weights file, lower-case hex: what an adapter names its SAE by.</summary>
    /// <exception cref="FileNotFoundException">The folder holds no SAE.</exception>
    public static string Sha256(string folder) => FileHash.Sha256(Existing(folder, WeightsFile));

    private static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path)
            ? path
            : throw new FileNotFoundException($"'{folder}' is not an SAE folder: it has no {name}. Expected {ConfigFile} and {WeightsFile}.", path);
    }

    private static Tensor Read(SafetensorsFile file, string name, params long[] shape)
    {
        if (!file.Tensors.TryGetValue(name, out var info))
            throw new InvalidDataException($"{file.Path} has no tensor {name}; a standard SAE has W_enc, W_dec, b_enc and b_dec.");
        if (!info.Shape.SequenceEqual(shape))
            throw new InvalidDataException($"{file.Path}: {name} has shape [{string.Join(", ", info.Shape)}]; "
                + $"cfg.json says [{string.Join(", ", shape)}].");
        return file.Read(name, ScalarType.Float32);
    }
}
