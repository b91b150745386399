using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>A finished activation cache, opened to be trained on through an <see cref="ActivationBuffer"/>. Needs neither the text nor the model;
/// files are mapped, not loaded.</summary>
public sealed class CachedActivations : IContextActivations, IDisposable
{
    private readonly string folder;
    private readonly SafetensorsFile?[] shards;

    private CachedActivations(string folder, ActivationCacheManifest manifest, IReadOnlyList<HookPoint> hooks) =>
        (this.folder, Manifest, Hooks, shards) = (folder, manifest, hooks, new SafetensorsFile?[manifest.ShardCount]);

    /// <summary>What the cache says of itself.</summary>
    public ActivationCacheManifest Manifest { get; }

    /// <inheritdoc/>
    public IReadOnlyList<HookPoint> Hooks { get; }

    /// <inheritdoc/>
    public int Contexts => Manifest.Contexts;

    /// <inheritdoc/>
    public int SequenceLength => Manifest.SequenceLength;

    /// <summary>Opens a cache.</summary>
    /// <param name="folder">What <see cref="ActivationCache.Write"/> wrote.</param>
    /// <param name="hooks">Where to read; null: at all its hook points.</param>
    /// <param name="modelSha256">Hash of the model it must have been made with; null: not checked.</param>
    /// <param name="tokenizerSha256">Hash of the tokenizer; null: not checked.</param>
    /// <exception cref="FileNotFoundException">The folder is not a cache, or lacks a shard.</exception>
    /// <exception cref="InvalidDataException">It is not finished, or of another model, tokenizer or hook point; the message says which.</exception>
    public static CachedActivations Open(string folder, IReadOnlyList<HookPoint>? hooks = null, string? modelSha256 = null, string? tokenizerSha256 = null)
    {
        var manifest = ActivationCacheManifest.Load(folder);
        if (manifest.Shards.Count < manifest.ShardCount) throw new InvalidDataException(
            $"The cache '{folder}' is not finished: {manifest.Shards.Count} of {manifest.ShardCount} shards are there. Repeat the 'parsimony harvest' that began it; it goes on.");
        var there = manifest.Hooks.Select(h => h.Hook).ToList();
        foreach (var at in hooks ?? [])
            if (!there.Contains(at)) throw new InvalidDataException(
                $"The cache '{folder}' holds activations at {string.Join(", ", there)}, not at {at}. Name one of those, or harvest {at}.");
        EnsureSame(folder, "model", manifest.ModelSha256, modelSha256, $"Use that model ({manifest.ModelName}), or harvest this one.");
        EnsureSame(folder, "tokenizer", manifest.TokenizerSha256, tokenizerSha256, "Use the tokenizer.json that was beside the model when it was harvested.");
        foreach (var shard in manifest.Shards)
            if (!File.Exists(Path.Combine(folder, shard.File)))
                throw new FileNotFoundException($"The cache '{folder}' lacks {shard.File}. Repeat the 'parsimony harvest' that made it; it writes what is missing.");
        return new CachedActivations(folder, manifest, hooks is null ? there : ReadHooks.Checked(hooks));
    }

    /// <inheritdoc/>
    public int Width(HookPoint at) => Hooks.Contains(at) ? Manifest.Hooks.First(h => h.Hook == at).Width : throw ReadHooks.Missing(at, Hooks);

    /// <inheritdoc/>
    public void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation)
    {
        using var _ = no_grad();
        for (int i = 0; i < contexts.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var (file, first) = Place(contexts[i]);
            foreach (var at in Hooks)
                file.ReadRows(at.ToString(), first, rows[at].narrow(0, (long)i * SequenceLength, SequenceLength));
        }
    }

    /// <summary>Token ids of a context, <c>[sequence length]</c>.</summary>
    /// <param name="context">Its number, 0-based.</param>
    public int[] Tokens(int context)
    {
        var (file, first) = Place(context);
        using var ids = empty(SequenceLength, ScalarType.Int32);
        file.ReadRows(ActivationCache.TokenIds, first, ids);
        return ids.data<int>().ToArray();
    }

    /// <summary>Statistics of the whole cache at a hook point; read from the shards' headers and means, not from the rows.</summary>
    /// <exception cref="ArgumentException">It does not read there.</exception>
    public ActivationStatistics Statistics(HookPoint at)
    {
        _ = Width(at);
        return ActivationStatistics.Of([.. Manifest.Shards.Select((shard, i) =>
        {
            using var mean = Shard(i).Read(ActivationCache.MeanPrefix + at);
            return shard.Statistics[at.ToString()] with { Mean = mean.data<double>().ToArray() };
        })]);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (var shard in shards) shard?.Dispose();
    }

    private (SafetensorsFile File, long FirstRow) Place(long context) =>
        (Shard((int)(context / Manifest.ContextsPerShard)), context % Manifest.ContextsPerShard * SequenceLength);

    private SafetensorsFile Shard(int index)
    {
        if (shards[index] is { } open) return open;
        var shard = Manifest.Shards[index];
        var file = SafetensorsFile.Open(Path.Combine(folder, shard.File));
        foreach (var (at, width) in Manifest.Hooks)
            if (!file.Tensors.TryGetValue(at.ToString(), out var info) || info.Shape is not [var rows, var columns]
                || rows != (long)shard.Contexts * SequenceLength || columns != width)
            {
                file.Dispose();
                throw new InvalidDataException($"{shard.File} of the cache '{folder}' does not hold [{(long)shard.Contexts * SequenceLength}, {width}] at {at}, "
                    + "as the manifest says. Delete it and repeat the 'parsimony harvest' that made the cache.");
            }
        return shards[index] = file;
    }

    private static void EnsureSame(string folder, string what, string? cached, string? given, string advice)
    {
        if (cached is not null && given is not null && cached != given) throw new InvalidDataException(
            $"The cache '{folder}' was harvested with another {what}: SHA-256 {cached[..12]}…, this one has {given[..12]}…. {advice}");
    }
}
