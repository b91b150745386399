using Parsimony.Activations;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Activations;

public sealed class ActivationCacheTests : IDisposable
{
    private static readonly HookPoint Hook = new(1, HookSite.MlpOut), Wide = new(0, HookSite.MlpPre);
    private static readonly CacheOrigin Origin = new("some", new string('a', 64), new string('b', 64), "some.txt");

    // 30 contexts of 8; forward passes of 3, shards of 9 contexts (the last of 3).
    private static readonly ActivationCacheOptions Exact = new() { Precision = CachePrecision.Fp32, ShardTokens = 80, HarvestBatchContexts = 3 };
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Some.Model();
    private readonly List<int[]> contexts = Some.Contexts(30, 8);
    private readonly DisposeScope scope = NewDisposeScope();

    private string Cache => folder.File("cache");

    private Harvester Source => new(model, [Hook, Wide], contexts, 3);

    public void Dispose()
    {
        scope.Dispose();
        model.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(CachePrecision.Fp32)]
    [InlineData(CachePrecision.Bf16)]
    public void What_was_written_is_read_again_float32_exactly_and_bfloat16_rounded(CachePrecision precision)
    {
        var told = new List<long>();
        var manifest = ActivationCache.Write(Cache, Source, contexts, Exact with { Precision = precision }, Origin, new Training.Told<long>(told.Add));
        Assert.Equal([9, 9, 9, 3], manifest.Shards.Select(s => s.Contexts));
        Assert.Equal(Enumerable.Range(1, 10).Select(i => i * 24L), told);
        using var cache = CachedActivations.Open(Cache);
        Assert.Equal([Hook, Wide], cache.Hooks);
        long[] order = [29, 0, 8, 9, 17, 26, 27, 3];
        var (read, direct) = (Rows(cache, order), Rows(Source, [.. Enumerable.Range(0, 30).Select(i => (long)i)]));
        foreach (var at in cache.Hooks)
        {
            var expected = direct[at].view(30, 8, -1).index_select(0, tensor(order)).view(64, -1);
            if (precision == CachePrecision.Bf16) expected = expected.to(ScalarType.BFloat16).to(ScalarType.Float32);
            Assert.True(expected.SameBits(read[at]), $"{at}");
        }
        for (int i = 0; i < 30; i++) Assert.Equal(contexts[i], cache.Tokens(i));
        using var shard = SafetensorsFile.Open(Path.Combine(Cache, "shard-00003.safetensors"));
        Assert.Equal(Enumerable.Range(0, 24).Select(i => i % 8), shard.Read("positions").data<int>());
        Assert.Equal(contexts[27..].SelectMany(c => c), shard.Read("token_ids").data<int>());
    }

    [Fact]
    public void A_stream_from_an_exact_cache_is_bit_equal_to_one_from_the_model()
    {
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        using var cache = CachedActivations.Open(Cache, [Hook]);
        var options = new ActivationBufferOptions { BatchTokens = 16, BufferTokens = 1000, HarvestBatchContexts = 3, Seed = 5 };
        using var cached = new ActivationBuffer(cache, options);
        using var harvested = new ActivationBuffer(model, Hook, contexts, options);
        for (int i = 0; i < 40; i++) Assert.True(harvested.Next().At(Hook).SameBits(cached.Next().At(Hook)), $"batch {i}");
    }

    [Fact]
    public void Every_token_comes_exactly_once_an_epoch_and_positions_restore_the_stream()
    {
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        using var cache = CachedActivations.Open(Cache);
        var options = new ActivationBufferOptions { BatchTokens = 16, BufferTokens = 70 };
        using var buffer = new ActivationBuffer(cache, options);
        using var jumping = new ActivationBuffer(cache, options with { Prefetch = false });
        var expected = Sorted(Rows(cache, [.. Enumerable.Range(0, 30).Select(i => (long)i)])[Hook]);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            var before = buffer.Position;
            Assert.Equal(expected, Sorted(cat([.. Enumerable.Range(0, 15).Select(_ => buffer.Next().At(Hook))])));
            var position = buffer.Position;
            jumping.Position = before;
            for (int i = 0; i < 15; i++) jumping.Next();
            Assert.Equal(position, jumping.Position);
            Assert.True(buffer.Next().At(Wide).SameBits(jumping.Next().At(Wide)));
            buffer.Position = new(epoch + 1, 0, 0);
        }
    }

    [Fact]
    public void Harvesting_that_was_killed_goes_on_after_the_finished_shards_and_ends_in_the_same_files()
    {
        string whole = folder.File("whole");
        ActivationCache.Write(whole, Source, contexts, Exact, Origin);
        foreach (int passes in (int[])[4, 2, 5])
        {
            using var cancel = new CancellationTokenSource();
            int left = passes;
            var stopping = new Training.Told<long>(_ => { if (--left == 0) cancel.Cancel(); });
            Assert.Throws<OperationCanceledException>(() => ActivationCache.Write(Cache, Source, contexts, Exact, Origin, stopping, cancellation: cancel.Token));
            Assert.Contains("is not finished", Assert.Throws<InvalidDataException>(() => CachedActivations.Open(Cache)).Message, StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(Cache, "shard-00002.safetensors.999999999.tmp"), "half a shard");
        }
        Assert.Equal(2, ActivationCacheManifest.Load(Cache).Shards.Count); // 4, 2 and 5 passes; a shard has 3
        var first = new List<long>();
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin, new Training.Told<long>(first.Add));
        Assert.Equal(21 * 8, first[0]);
        foreach (string file in Directory.GetFiles(whole)) Assert.Equal(FileHash.Sha256(file), FileHash.Sha256(Path.Combine(Cache, Path.GetFileName(file))));
        Assert.Equal(5, Directory.GetFiles(Cache).Length);
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin, new Training.Told<long>(_ => Assert.Fail("harvested again")));
    }

    [Fact]
    public void A_shard_that_is_gone_is_missed_and_written_again()
    {
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        File.Delete(Path.Combine(Cache, "shard-00001.safetensors"));
        Assert.Contains("lacks shard-00001.safetensors", Assert.Throws<FileNotFoundException>(() => CachedActivations.Open(Cache)).Message, StringComparison.Ordinal);
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        CachedActivations.Open(Cache).Dispose();
    }

    [Fact]
    public void Too_little_disk_is_said_before_anything_is_written_and_what_is_needed_is_what_is_taken()
    {
        var e = Assert.Throws<IOException>(() => ActivationCache.Write(Cache, Source, contexts, Exact, Origin, freeBytes: 5000));
        Assert.Equal($"The cache takes 65.9 kB in '{Cache}', where 5.00 kB are free; nothing was written. "
            + "Harvest fewer tokens, store bf16, or name a folder on another disk.", e.Message);
        Assert.False(Directory.Exists(Cache));
        long planned = ActivationCache.BytesToWrite(ActivationCache.Plan(Source, contexts, Exact, Origin));
        Assert.Equal(0, ActivationCache.BytesToWrite(ActivationCache.Write(Cache, Source, contexts, Exact, Origin, freeBytes: planned)));
        long taken = Directory.GetFiles(Cache).Sum(f => new FileInfo(f).Length);
        Assert.InRange(taken, 240 * (16 + 32 + 2) * 4, planned);
    }

    [Fact]
    public void A_cache_of_another_model_tokenizer_text_or_hook_is_refused_with_the_difference()
    {
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        string Opening(HookPoint[]? hooks = null, string? modelSha = null, string? tokenizerSha = null) =>
            Assert.Throws<InvalidDataException>(() => CachedActivations.Open(Cache, hooks, modelSha, tokenizerSha)).Message;
        Assert.Contains("harvested with another model: SHA-256 aaaaaaaaaaaa…, this one has cccccccccccc…", Opening(modelSha: new string('c', 64)), StringComparison.Ordinal);
        Assert.Contains("another tokenizer", Opening(tokenizerSha: new string('c', 64)), StringComparison.Ordinal);
        Assert.Contains("holds activations at blocks.1.mlp_out, blocks.0.mlp_pre, not at blocks.2.mlp_out", Opening([new(2, HookSite.MlpOut)]), StringComparison.Ordinal);
        CachedActivations.Open(Cache, [Wide], Origin.ModelSha256, Origin.TokenizerSha256).Dispose();

        string Writing(List<int[]> tokens, ActivationCacheOptions options, CacheOrigin origin) =>
            Assert.Throws<InvalidDataException>(() => ActivationCache.Write(Cache, new Harvester(model, [Hook, Wide], tokens, 3), tokens, options, origin)).Message;
        Assert.Contains("the model's SHA-256 was aaaa", Writing(contexts, Exact, Origin with { ModelSha256 = new string('c', 64) }), StringComparison.Ordinal);
        Assert.Contains("the tokens' SHA-256 was", Writing(Some.Contexts(30, 8, seed: 6), Exact, Origin), StringComparison.Ordinal);
        Assert.Contains("precision was Fp32, is now Bf16", Writing(contexts, Exact with { Precision = CachePrecision.Bf16 }, Origin), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_cache_or_a_damaged_one_is_named()
    {
        Assert.Contains("is not an activation cache", Assert.Throws<FileNotFoundException>(() => CachedActivations.Open(folder.Path)).Message, StringComparison.Ordinal);
        ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
        File.Copy(Path.Combine(Cache, "shard-00003.safetensors"), Path.Combine(Cache, "shard-00000.safetensors"), overwrite: true);
        using var cache = CachedActivations.Open(Cache);
        Assert.Contains("shard-00000.safetensors of the cache", Assert.Throws<InvalidDataException>(() => cache.Tokens(0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_are_those_of_the_rows_and_independent_of_the_shards()
    {
        var rows = Rows(Source, [.. Enumerable.Range(0, 30).Select(i => (long)i)])[Wide].to(ScalarType.Float64);
        foreach (int shardTokens in (int[])[24, 80, 1000])
        {
            string here = folder.File($"{shardTokens}");
            ActivationCache.Write(here, Source, contexts, Exact with { ShardTokens = shardTokens }, Origin);
            using var cache = CachedActivations.Open(here);
            var seen = cache.Statistics(Wide);
            var norms = rows.square().sum(1);
            Assert.Equal(240, seen.Rows);
            Assert.Equal(norms.mean().item<double>(), seen.MeanSquareNorm, 1e-6 * seen.MeanSquareNorm);
            Assert.Equal(norms.sqrt().mean().item<double>(), seen.MeanNorm, 1e-6 * seen.MeanNorm);
            Assert.Equal(norms.sqrt().max().item<double>(), seen.MaxNorm, 1e-6 * seen.MaxNorm);
            Assert.True((rows.mean([0L]) - tensor(seen.Mean)).abs().max().item<double>() < 1e-6);
            double variance = (rows - rows.mean([0L])).square().sum(1).mean().item<double>();
            Assert.Equal(variance, seen.Variance, 1e-6 * variance);
        }
    }

    [Fact]
    public void Activations_that_are_not_finite_are_not_kept()
    {
        var options = Exact with { Precision = CachePrecision.Bf16 };
        string message = Assert.Throws<InvalidDataException>(() => ActivationCache.Write(Cache, new Broken(Source, from: 13), contexts, options, Origin)).Message;
        Assert.StartsWith("The activations at blocks.1.mlp_out of contexts 9 to 17 are not all finite", message, StringComparison.Ordinal);
        Assert.Single(ActivationCacheManifest.Load(Cache).Shards);
    }

    [Fact]
    public void Neither_writing_nor_reading_leaves_tensors_behind()
    {
        void Both()
        {
            ActivationCache.Write(Cache, Source, contexts, Exact, Origin);
            using var cache = CachedActivations.Open(Cache);
            using var buffer = new ActivationBuffer(cache, new() { BatchTokens = 16, BufferTokens = 70 });
            for (int i = 0; i < 17; i++) buffer.Next().Dispose();
            cache.Tokens(3);
            cache.Statistics(Hook);
            Directory.Delete(Cache, recursive: true);
        }
        Both();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Both();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static Dictionary<HookPoint, Tensor> Rows(IContextActivations source, long[] wanted)
    {
        var rows = source.Hooks.ToDictionary(at => at, at => empty(wanted.Length * source.SequenceLength, source.Width(at)));
        source.Read(wanted, rows, CancellationToken.None);
        return rows;
    }

    private static List<string> Sorted(Tensor rows) =>
        [.. Enumerable.Range(0, (int)rows.shape[0]).Select(i => Convert.ToHexString(rows[i].contiguous().bytes)).Order(StringComparer.Ordinal)];

    /// <summary>Gives an infinity from some context on.</summary>
    private sealed class Broken(IContextActivations source, int from) : IContextActivations
    {
        public IReadOnlyList<HookPoint> Hooks => source.Hooks;

        public int Contexts => source.Contexts;

        public int SequenceLength => source.SequenceLength;

        public int Width(HookPoint at) => source.Width(at);

        public void Read(ReadOnlySpan<long> contexts, IReadOnlyDictionary<HookPoint, Tensor> rows, CancellationToken cancellation)
        {
            source.Read(contexts, rows, cancellation);
            if (contexts[^1] >= from) rows[Hook][0, 0] = float.PositiveInfinity;
        }
    }
}
