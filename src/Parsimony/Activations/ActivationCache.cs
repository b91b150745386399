using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>From what a cache is made, as far as the activations themselves do not say it.</summary>
/// <param name="ModelName">Name of the model, for people.</param>
/// <param name="ModelSha256">SHA-256 of its weights; null when unknown.</param>
/// <param name="TokenizerSha256">SHA-256 of the tokenizer; null when unknown.</param>
/// <param name="Text">Name of the text, for people; null when unknown.</param>
/// <param name="TextPath">Where it was; null when unknown.</param>
/// <param name="HeldOutFraction">Share of its documents that were left out; 0: none.</param>
/// <param name="Corpus">How it was read; null when unknown.</param>
/// <param name="ModelWeights">How the model's matrices were kept.</param>
/// <param name="AdapterSha256">SHA-256 of the adapter the model was tuned by; null: none.</param>
/// <param name="AdapterFolder">Where it was; null: none.</param>
public sealed record CacheOrigin(string ModelName, string? ModelSha256, string? TokenizerSha256, string? Text = null, string? TextPath = null, double HeldOutFraction = 0,
    TextOptions? Corpus = null, WeightStorage ModelWeights = WeightStorage.Fp32, string? AdapterSha256 = null, string? AdapterFolder = null);

/// <summary>
/// Writes activations to disk, to be trained on without the text or the model (<see cref="CachedActivations"/>). A folder of safetensors
/// shards, each written whole or not at all, and <c>manifest.json</c>, which names the finished ones: a run that was killed goes on after them.
/// </summary>
/// <remarks>A shard holds, a row for each token: the activations under the name of each hook point <c>[rows, width]</c>, <c>token_ids</c> and
/// <c>positions</c> (in the context) <c>[rows]</c> int32; and <c>mean.HOOK</c> <c>[width]</c> float64.</remarks>
public static class ActivationCache
{
    internal const string TokenIds = "token_ids", Positions = "positions", MeanPrefix = "mean.";
    private const long HeaderBytes = 4096; // more than a shard's header, or its share of the manifest, takes

    /// <summary>What a cache of these contexts would be: no shard yet.</summary>
    /// <param name="source">The activations, one context for each of <paramref name="contexts"/>.</param>
    /// <param name="contexts">The token ids.</param>
    /// <param name="options">How to write.</param>
    /// <param name="origin">From what they are made.</param>
    /// <exception cref="ArgumentException">Options out of range, or no context.</exception>
    public static ActivationCacheManifest Plan(IContextActivations source, IReadOnlyList<int[]> contexts, ActivationCacheOptions options, CacheOrigin origin)
    {
        if (contexts.Count == 0) throw new ArgumentException("There are no contexts; a cache needs at least one.");
        return new ActivationCacheManifest
        {
            ModelName = origin.ModelName,
            ModelSha256 = origin.ModelSha256,
            ModelWeights = origin.ModelWeights,
            AdapterSha256 = origin.AdapterSha256,
            AdapterFolder = origin.AdapterFolder,
            TokenizerSha256 = origin.TokenizerSha256,
            Text = origin.Text,
            TextPath = origin.TextPath,
            HeldOutFraction = origin.HeldOutFraction,
            Corpus = origin.Corpus,
            TokensSha256 = Hash(contexts),
            Hooks = [.. source.Hooks.Select(at => new CachedHook(at, source.Width(at)))],
            SequenceLength = source.SequenceLength,
            Precision = options.Validated().Precision,
            Contexts = contexts.Count,
            ContextsPerShard = options.ContextsPerShard(source.SequenceLength),
        };
    }

    /// <summary>Bytes on disk that the shards not yet finished will take.</summary>
    public static long BytesToWrite(ActivationCacheManifest manifest)
    {
        long shards = manifest.ShardCount - manifest.Shards.Count, contexts = manifest.Contexts - manifest.Shards.Sum(s => (long)s.Contexts);
        return contexts * manifest.BytesPerContext + shards * (HeaderBytes + manifest.Hooks.Sum(h => (long)h.Width) * sizeof(double));
    }

    /// <summary>The finished part of the same cache, if the folder holds one: what a new run goes on from.</summary>
    /// <exception cref="InvalidDataException">The folder holds another cache; the message names each difference.</exception>
    public static ActivationCacheManifest Begun(string folder, ActivationCacheManifest planned)
    {
        if (!File.Exists(Path.Combine(folder, ActivationCacheManifest.FileName))) return planned;
        var begun = ActivationCacheManifest.Load(folder);
        string differences = string.Join("; ", begun.DifferencesTo(planned));
        return differences.Length == 0 ? planned with { Shards = [.. begun.Shards.TakeWhile(s => File.Exists(Path.Combine(folder, s.File)))] }
            : throw new InvalidDataException($"'{folder}' holds another cache: {differences}. Name another folder, or delete this one.");
    }

    /// <summary>Writes a cache, or the rest of one.</summary>
    /// <param name="folder">Where; made when missing.</param>
    /// <param name="source">The activations.</param>
    /// <param name="contexts">The token ids, one context for each of the source's.</param>
    /// <param name="options">How to write.</param>
    /// <param name="origin">From what they are made.</param>
    /// <param name="progress">Told the tokens harvested so far, those of finished shards included.</param>
    /// <param name="freeBytes">Bytes free on the disk; null: asked of the system.</param>
    /// <param name="cancellation">Stops after a forward pass; finished shards stay.</param>
    /// <returns>The finished manifest.</returns>
    /// <exception cref="IOException">Too little disk, found out before anything is written, or the disk is full after all.</exception>
    /// <exception cref="InvalidDataException">The folder holds another cache, or an activation is not finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ActivationCacheManifest Write(string folder, IContextActivations source, IReadOnlyList<int[]> contexts, ActivationCacheOptions options,
        CacheOrigin origin, IProgress<long>? progress = null, long? freeBytes = null, CancellationToken cancellation = default)
    {
        var manifest = Begun(folder, Plan(source, contexts, options, origin));
        DiskSpace.Ensure(folder, BytesToWrite(manifest), "The cache",
            "Harvest fewer tokens, store bf16, or name a folder on another disk.", freeBytes);
        string path = Path.Combine(folder, ActivationCacheManifest.FileName);
        Json.Save(path, manifest);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        long held = Math.Min(manifest.ContextsPerShard, manifest.Contexts);
        var rows = source.Hooks.ToDictionary(at => at, at => empty(held * manifest.SequenceLength, source.Width(at)));
        while (manifest.Shards.Count < manifest.ShardCount)
        {
            int first = manifest.Shards.Count * manifest.ContextsPerShard, count = Math.Min(manifest.ContextsPerShard, manifest.Contexts - first);
            for (int done = 0; done < count; done += options.HarvestBatchContexts)
            {
                int n = Math.Min(options.HarvestBatchContexts, count - done);
                using var inner = NewDisposeScope();
                source.Read([.. Enumerable.Range(first + done, n).Select(c => (long)c)],
                    rows.ToDictionary(r => r.Key, r => r.Value.narrow(0, (long)done * manifest.SequenceLength, (long)n * manifest.SequenceLength)), cancellation);
                progress?.Report((long)(first + done + n) * manifest.SequenceLength);
            }
            manifest = manifest with { Shards = [.. manifest.Shards, WriteShard(folder, manifest, contexts, first, count, rows)] };
            Json.Save(path, manifest);
        }
        return manifest;
    }

    private static CacheShard WriteShard(string folder, ActivationCacheManifest manifest, IReadOnlyList<int[]> contexts, int first, int count,
        Dictionary<HookPoint, Tensor> rows)
    {
        using var scope = NewDisposeScope();
        string file = $"shard-{first / manifest.ContextsPerShard:00000}.safetensors";
        long n = (long)count * manifest.SequenceLength;
        var type = manifest.Precision == CachePrecision.Fp32 ? ScalarType.Float32 : ScalarType.BFloat16;
        var tensors = new Dictionary<string, Tensor>
        {
            [TokenIds] = tensor(contexts.Skip(first).Take(count).SelectMany(c => c).ToArray(), ScalarType.Int32),
            [Positions] = arange(n, ScalarType.Int32).remainder(manifest.SequenceLength),
        };
        var statistics = new Dictionary<string, ActivationStatistics>();
        foreach (var (at, all) in rows)
        {
            var stored = tensors[at.ToString()] = all.narrow(0, 0, n).to(type);
            var seen = statistics[at.ToString()] = CacheStatistics.Of(stored);
            if (!double.IsFinite(seen.MeanSquareNorm)) throw new InvalidDataException(
                $"The activations at {at} of contexts {first} to {first + count - 1} are not all finite. Check the model's weights; nothing of this shard was kept.");
            tensors[MeanPrefix + at] = tensor(seen.Mean, ScalarType.Float64);
        }
        SafetensorsFile.Write(Path.Combine(folder, file), tensors, new Dictionary<string, string> { ["first_context"] = $"{first}" });
        return new CacheShard(file, first, count, statistics);
    }

    private static string Hash(IReadOnlyList<int[]> contexts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (int[] context in contexts) hash.AppendData(MemoryMarshal.AsBytes(context.AsSpan())); // little-endian on every machine .NET runs on
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
