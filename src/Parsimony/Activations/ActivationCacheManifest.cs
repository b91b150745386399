using System.Text.Json.Serialization;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Text;

namespace Parsimony.Activations;

/// <summary>How activations are stored in a cache.</summary>
public enum CachePrecision
{
    /// <summary>Eight bits of mantissa in two bytes: each number off by at most 1 part in 512.</summary>
    Bf16,
    /// <summary>As the model gave them, four bytes.</summary>
    Fp32,
}

/// <summary>A hook point of a cache and the width of its activations.</summary>
/// <param name="Hook">Where they were read.</param>
/// <param name="Width">Numbers a token.</param>
public sealed record CachedHook(HookPoint Hook, int Width);

/// <summary>A finished shard of a cache.</summary>
/// <param name="File">Its file's name.</param>
/// <param name="FirstContext">Number of its first context.</param>
/// <param name="Contexts">How many contexts it holds.</param>
/// <param name="Statistics">By the hook point's name.</param>
public sealed record CacheShard(string File, int FirstContext, int Contexts, IReadOnlyDictionary<string, ActivationStatistics> Statistics);

/// <summary><c>manifest.json</c> of an activation cache: what it holds, from what it was made, and which shards are finished.</summary>
public sealed record ActivationCacheManifest
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "manifest.json";

    /// <summary>The layout's version.</summary>
    public int Version { get; init; } = 1;

    /// <summary>Name of the model, for people.</summary>
    public required string ModelName { get; init; }

    /// <summary>SHA-256 of the model's weights; null when it was made in memory.</summary>
    public required string? ModelSha256 { get; init; }

    /// <summary>How the model's matrices were kept. Default float32.</summary>
    public WeightStorage ModelWeights { get; init; }

    /// <summary>SHA-256 of the adapter the model was tuned by; null: none.</summary>
    public string? AdapterSha256 { get; init; }

    /// <summary>Where that adapter was; null: there was none.</summary>
    public string? AdapterFolder { get; init; }

    /// <summary>SHA-256 of tokenizer.json; null when unknown.</summary>
    public required string? TokenizerSha256 { get; init; }

    /// <summary>Name of the text, for people; null when unknown.</summary>
    public string? Text { get; init; }

    /// <summary>Where the text was, as the harvest was told; null when unknown.</summary>
    public string? TextPath { get; init; }

    /// <summary>Share of the text's documents that were left out, to be evaluated on. Default 0: none.</summary>
    public double HeldOutFraction { get; init; }

    /// <summary>How the text was read; null when unknown.</summary>
    public TextOptions? Corpus { get; init; }

    /// <summary>SHA-256 over all token ids as little-endian int32, context after context.</summary>
    public required string TokensSha256 { get; init; }

    /// <summary>Where activations were read.</summary>
    public required IReadOnlyList<CachedHook> Hooks { get; init; }

    /// <summary>Tokens of a context.</summary>
    public required int SequenceLength { get; init; }

    /// <summary>How numbers are stored.</summary>
    public required CachePrecision Precision { get; init; }

    /// <summary>Contexts of the whole cache.</summary>
    public required int Contexts { get; init; }

    /// <summary>Contexts of every shard but the last, which may have fewer.</summary>
    public required int ContextsPerShard { get; init; }

    /// <summary>The finished shards, in order.</summary>
    public IReadOnlyList<CacheShard> Shards { get; init; } = [];

    /// <summary>Shards of the whole cache.</summary>
    [JsonIgnore]
    public int ShardCount => (Contexts + ContextsPerShard - 1) / ContextsPerShard;

    /// <summary>Tokens of the whole cache.</summary>
    [JsonIgnore]
    public long Tokens => (long)Contexts * SequenceLength;

    /// <summary>Bytes of one context's activations, token ids and positions.</summary>
    [JsonIgnore]
    public long BytesPerContext => SequenceLength * (Hooks.Sum(h => (long)h.Width) * (Precision == CachePrecision.Fp32 ? 4 : 2) + 2 * sizeof(int));

    /// <summary>Reads the manifest of a cache, finished or not.</summary>
    /// <exception cref="FileNotFoundException">The folder is not a cache.</exception>
    /// <exception cref="InvalidDataException">The manifest is damaged or of another version.</exception>
    public static ActivationCacheManifest Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new FileNotFoundException(
            $"'{folder}' is not an activation cache (it has no {FileName}). Make one with 'parsimony harvest'.", path);
        var manifest = Json.Load<ActivationCacheManifest>(path);
        return manifest.Version == 1 ? manifest : throw new InvalidDataException(
            $"'{folder}' is a cache of version {manifest.Version}; this program reads version 1. Harvest it again.");
    }

    /// <summary>What differs from another cache's manifest besides the shards and what is for people only, in words; empty when nothing does.</summary>
    public IEnumerable<string> DifferencesTo(ActivationCacheManifest other)
    {
        (string Name, object? Was, object? Is)[] facts =
        [
            ("the model's SHA-256", ModelSha256, other.ModelSha256), ("weights", ModelWeights, other.ModelWeights), ("the adapter's SHA-256", AdapterSha256 ?? "none", other.AdapterSha256 ?? "none"), ("the tokenizer's SHA-256", TokenizerSha256, other.TokenizerSha256),
            ("held_out_fraction", HeldOutFraction, other.HeldOutFraction), ("the tokens' SHA-256", TokensSha256, other.TokensSha256), ("hooks", Names(this), Names(other)),
            ("sequence_length", SequenceLength, other.SequenceLength), ("precision", Precision, other.Precision),
            ("contexts", Contexts, other.Contexts), ("contexts per shard", ContextsPerShard, other.ContextsPerShard),
        ];
        return facts.Where(f => !Equals(f.Was, f.Is)).Select(f => $"{f.Name} was {f.Was ?? "unknown"}, is now {f.Is ?? "unknown"}");
    }

    private static string Names(ActivationCacheManifest manifest) => string.Join(" ", manifest.Hooks.Select(h => h.Hook));
}
