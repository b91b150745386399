using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;

namespace Parsimony.Autoencoders.Formats;

/// <summary>SAEs in files of every format: told apart, read, written.</summary>
public static class SaeFiles
{
    private const string Looked = "looked for: a SAELens folder (cfg.json and sae_weights.safetensors), dictionary_learning (ae.pt, as a rule with config.json), "
        + "sparsify (cfg.json and sae.safetensors), OpenAI (a .pt file with pre_bias and latent_bias), Gemma Scope (params.npz), "
        + "or a plain .pt file with W_enc, W_dec, b_enc and b_dec";

    /// <summary>The format of a file or folder, or null where it is none of them.</summary>
    /// <exception cref="InvalidDataException">A .pt or .npz file that is broken or holds more than plain tensors.</exception>
    public static SaeFormat? Sniff(string path) =>
        SaeFolder.Is(path) ? SaeFormat.Saelens
        : SparsifyFormat.Is(path) ? SaeFormat.Sparsify
        : File.Exists(Path.Combine(path, DictionaryLearningFormat.WeightsFile)) ? SaeFormat.DictionaryLearning
        : File.Exists(Path.Combine(path, GemmaScopeFormat.WeightsFile)) ? SaeFormat.GemmaScope
        : !File.Exists(path) ? null
        : Path.GetExtension(path) is ".npz" ? SaeFormat.GemmaScope
        : Path.GetExtension(path) is ".pt" or ".pth" ? SniffTorch(path) : null;

    /// <summary>Reads an SAE of any format.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <returns>The SAE and what its file says, the caller's to dispose.</returns>
    /// <exception cref="FileNotFoundException">There is nothing, or it is of no known format; the message lists what was looked for.</exception>
    /// <exception cref="InvalidDataException">It is broken, or holds what has no place here; the message says what.</exception>
    public static StoredSae Load(string path) => Sniff(path) switch
    {
        SaeFormat.Saelens => SaeFolder.Read(path),
        SaeFormat.DictionaryLearning => DictionaryLearningFormat.Read(path),
        SaeFormat.Sparsify => SparsifyFormat.Read(path),
        SaeFormat.Openai => OpenAiFormat.Read(path),
        SaeFormat.GemmaScope => GemmaScopeFormat.Read(path),
        SaeFormat.Plain => PlainFormat.Read(path),
        _ => throw Unknown(path),
    };

    /// <summary>Writes an SAE.</summary>
    /// <param name="path">The folder; for formats that are one file, that file, or a folder for it.</param>
    /// <param name="format">The format.</param>
    /// <param name="stored">The SAE; <see cref="StoredSae.MetadataAt"/> must know a hook for <see cref="SaeFormat.Saelens"/>.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="NotSupportedException">The format cannot express this SAE; the message says what it lacks. Nothing is written.</exception>
    public static IReadOnlyList<string> Save(string path, SaeFormat format, StoredSae stored)
    {
        switch (format)
        {
            case SaeFormat.Saelens:
                if (stored.Sae is Transcoder { K: { } k })
                    throw new NotSupportedException($"SAELens has no transcoder that keeps k = {k} latents; its transcoders keep all above zero.");
                SaeFolder.Write(path, stored.Sae, stored.MetadataAt(), stored.Normalisation, stored.LogDensity);
                return [.. Directory.GetFiles(path).Order(StringComparer.Ordinal)];
            case SaeFormat.DictionaryLearning: return DictionaryLearningFormat.Write(path, stored);
            case SaeFormat.Sparsify: return SparsifyFormat.Write(path, stored);
            case SaeFormat.Openai: return [OpenAiFormat.Write(path, stored)];
            case SaeFormat.GemmaScope: return [GemmaScopeFormat.Write(path, stored)];
            default: return [PlainFormat.Write(path, stored)];
        }
    }

    /// <summary>The file that holds the weights.</summary>
    /// <exception cref="FileNotFoundException">As for <see cref="Load"/>.</exception>
    public static string WeightsPath(string path) => Sniff(path) switch
    {
        SaeFormat.Saelens => SaeFolder.WeightsPath(path),
        SaeFormat.Sparsify => Path.Combine(path, SparsifyFormat.WeightsFile),
        SaeFormat.DictionaryLearning => FileIn(path, DictionaryLearningFormat.WeightsFile),
        SaeFormat.GemmaScope => FileIn(path, GemmaScopeFormat.WeightsFile),
        SaeFormat.Openai or SaeFormat.Plain => path,
        _ => throw Unknown(path),
    };

    /// <summary>SHA-256 of the weights file, lower-case hex: what an adapter names its SAE by.</summary>
    public static string Sha256(string path) => FileHash.Sha256(WeightsPath(path));

    /// <summary>The SAE of a file and what it is for, if it can be used in a model; else it is disposed.</summary>
    /// <param name="stored">What was read; the caller owns the SAE afterwards.</param>
    /// <param name="source">Its path, for messages.</param>
    /// <param name="at">The hook, where the file does not say it.</param>
    /// <exception cref="InvalidDataException">Its input must be normalised, or nobody says where it belongs.</exception>
    internal static (ISparseAutoencoder Sae, SaeMetadata Metadata) Usable(StoredSae stored, string source, HookPoint? at)
    {
        try
        {
            if (stored.Normalisation != StoredSae.Unnormalised)
                throw new InvalidDataException($"'{source}' has normalize_activations '{stored.Normalisation}'; only '{StoredSae.Unnormalised}' can be used in a model here. "
                    + "It can be inspected and converted.");
            var metadata = stored.Hook is null ? stored.MetadataAt(at) : stored.MetadataAt();
            stored.LogDensity?.Dispose();
            foreach (var tensor in stored.Kept.Values) tensor.Dispose();
            return (stored.Sae, metadata);
        }
        catch
        {
            stored.Dispose();
            throw;
        }
    }

    /// <summary>The file itself, or the one of that name in the folder.</summary>
    internal static string FileIn(string path, string name) => Directory.Exists(path) ? Path.Combine(path, name) : path;

    private static SaeFormat? SniffTorch(string path)
    {
        using var file = TorchFile.Open(path);
        var tensors = NamedTensors.Of(file);
        return OpenAiFormat.Is(tensors) ? SaeFormat.Openai
            : DictionaryLearningFormat.Is(tensors) ? SaeFormat.DictionaryLearning
            : PlainFormat.Is(tensors) ? SaeFormat.Plain : null;
    }

    private static FileNotFoundException Unknown(string path) =>
        new($"'{path}' {(File.Exists(path) || Directory.Exists(path) ? "holds no SAE of a known format" : "does not exist")}; {Looked}.", path);
}
