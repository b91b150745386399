using System.Text;
using CsCheck;
using Parsimony.Autoencoders;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Exploration.Index;

/// <summary>The files: resumed, refused, read by many, and how large they are.</summary>
public sealed class IndexFilesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = Some.Sae(dSae: 27);
    private readonly List<int[]> contexts = Some.Contexts(count: 23, length: 12);

    public void Dispose()
    {
        model.Dispose();
        sae.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(8)]
    public void An_index_interrupted_after_any_batch_and_gone_on_with_ends_in_the_very_bytes_of_one_that_was_not(int batches)
    {
        string whole = folder.File("whole"), broken = folder.File("broken");
        SomeIndex.Make(whole, model, sae, contexts).Dispose();
        using var stop = new CancellationTokenSource();
        using (var first = Builder(broken))
        {
            var after = new After(batches, stop.Cancel);
            Assert.Throws<OperationCanceledException>(() => first.Build(after, stop.Token));
            Assert.Contains("half made", Assert.Throws<FileNotFoundException>(() => FeatureIndex.Open(broken)).Message, StringComparison.Ordinal);
        }
        var seen = new List<IndexProgress>();
        using (var second = Builder(broken))
        {
            Assert.NotNull(second.Position);
            second.Build(new After(1, () => { }, seen));
        }
        Assert.False(seen[0] is { Stage: "latents", Done: <= 5 }); // it did not begin again
        foreach (string file in (string[])["features.bin", "tokens.bin"]) Assert.Equal(FileHash.Sha256(Path.Combine(whole, file)), FileHash.Sha256(Path.Combine(broken, file)));
        Assert.Equal(["features.bin", "tokens.bin"], Directory.GetFiles(broken).Select(Path.GetFileName).Order());
        using var third = Builder(broken);
        Assert.True(third.IsComplete);
    }

    [Fact]
    public void What_was_begun_with_other_options_or_another_SAE_or_broke_off_while_it_was_saved_is_begun_anew()
    {
        string half = folder.File("half");
        using var stop = new CancellationTokenSource();
        using (var first = Builder(half)) Assert.Throws<OperationCanceledException>(() => first.Build(new After(2, stop.Cancel), stop.Token));
        using (var other = Builder(half, SomeIndex.Options with { Seed = 9 })) Assert.Null(other.Position);
        using (var other = new FeatureIndexBuilder(half, model, SomeIndex.At, sae, contexts, new("some", "an0ther"), SomeIndex.Options)) Assert.Null(other.Position);
        using (var same = Builder(half, SomeIndex.Options with { CheckpointEverySeconds = 7 })) Assert.NotNull(same.Position); // when it was saved is nobody's business
        string state = Path.Combine(half, "state.bin");
        File.WriteAllBytes(state, File.ReadAllBytes(state)[..^40]);
        using (var cut = Builder(half)) Assert.Null(cut.Position);
    }

    [Fact]
    public void Which_contexts_share_a_pass_decides_nothing_but_the_last_bits_of_numbers()
    {
        using var one = SomeIndex.Make(folder.File("one"), model, sae, contexts, SomeIndex.Options with { BatchContexts = 1 });
        using var all = SomeIndex.Make(folder.File("all"), model, sae, contexts, SomeIndex.Options with { BatchContexts = 50 });
        for (int i = 0; i < sae.DSae; i++)
        {
            var (a, b) = (one.Card(i), all.Card(i));
            Assert.Equal(a.Fired, b.Fired);
            Assert.Equal(a.MaxActivation, b.MaxActivation, 1e-5);
            Assert.Equal(Places(a.TopContexts), Places(b.TopContexts));
            Assert.Equal(a.Intervals.Select(x => x.Count), b.Intervals.Select(x => x.Count));
            Assert.Equal(a.Intervals.SelectMany(x => Places(x.Samples)), b.Intervals.SelectMany(x => Places(x.Samples)));
            Assert.Equal(a.Histogram.Counts, b.Histogram.Counts);
        }

        static IEnumerable<(int, int)> Places(FeatureContext[] shown) => shown.Select(c => (c.Context, c.Position));
    }

    [Fact]
    public void An_index_of_another_model_SAE_or_tokenizer_is_refused_by_name()
    {
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts);
        index.EnsureBelongsTo(null, null, null);
        index.EnsureBelongsTo("anything: this model was made in memory", "5ae", "70C");
        string other = new('b', 64);
        Assert.Contains("of another SAE", Refused(null, other, null), StringComparison.Ordinal);
        Assert.Contains("of another tokenizer", Refused(null, null, other), StringComparison.Ordinal);

        string Refused(string? m, string? s, string? t) => Assert.Throws<InvalidDataException>(() => index.EnsureBelongsTo(m, s, t)).Message;
    }

    [Fact]
    public void Files_cut_off_foreign_of_another_version_or_of_another_index_are_refused_in_a_sentence()
    {
        string at = folder.File("i"), features = Path.Combine(at, "features.bin"), tokens = Path.Combine(at, "tokens.bin");
        Assert.Contains("holds no feature index", Assert.Throws<FileNotFoundException>(() => FeatureIndex.Open(at)).Message, StringComparison.Ordinal);
        SomeIndex.Make(at, model, sae, contexts).Dispose();
        byte[] good = File.ReadAllBytes(features);
        void Refused(string says, byte[] bytes)
        {
            File.WriteAllBytes(features, bytes);
            Assert.Contains(says, Assert.Throws<InvalidDataException>(() => FeatureIndex.Open(at).Dispose()).Message, StringComparison.Ordinal);
        }
        foreach (int length in (int[])[20, 5000, good.Length / 2, good.Length - 1]) Refused("it was cut off", good[..length]);
        Refused("not a part of a feature index", Encoding.UTF8.GetBytes("{\"this\": \"is JSON\"}"));
        Refused("not a part of a feature index", []);
        Refused("of version 2; this program reads version 1", [.. good[..8], 2, 0, 0, 0, .. good[12..]]);
        Refused("header", [.. good[..12], 255, 255, 255, 127, .. good[16..]]);
        Refused("not valid JSON", [.. good[..16], (byte)'?', .. good[17..]]);
        string header = Encoding.UTF8.GetString(good, 0, IndexFile.HeaderBytes);
        Refused("has no section density", With(header.Replace("\"density\"", "\"densitx\"", StringComparison.Ordinal)));
        Refused("its header speaks of 28 times", With(header.Replace("\"d_sae\":27", "\"d_sae\":28", StringComparison.Ordinal)));
        File.WriteAllBytes(features, good);
        SomeIndex.Make(folder.File("other"), model, sae, Some.Contexts(count: 23, seed: 77)).Dispose();
        File.Copy(folder.File("other/tokens.bin"), tokens, overwrite: true);
        Assert.Contains("is not the text that", Assert.Throws<InvalidDataException>(() => FeatureIndex.Open(at).Dispose()).Message, StringComparison.Ordinal);
        File.Delete(tokens);
        Assert.Contains("no tokens.bin", Assert.Throws<FileNotFoundException>(() => FeatureIndex.Open(at).Dispose()).Message, StringComparison.Ordinal);

        byte[] With(string changed) => [.. Encoding.UTF8.GetBytes(changed), .. good[IndexFile.HeaderBytes..]];
    }

    [Fact]
    public void A_damaged_byte_in_a_latents_part_is_an_error_or_another_number_never_a_crash()
    {
        string at = folder.File("i"), features = Path.Combine(at, "features.bin");
        SomeIndex.Make(at, model, sae, contexts).Dispose();
        byte[] good = File.ReadAllBytes(features);
        IndexHeader header;
        using (var index = FeatureIndex.Open(at)) header = index.Header;
        var parts = header.Sections.Where(s => s.Name is "example_offsets" or "examples" or "token_offsets" or "interval_end" or "first_key").ToList();
        var place = from part in Gen.Int[0, parts.Count - 1] from within in Gen.Long[0, 1 << 30] from value in Gen.Byte select (At: parts[part].Offset + within % parts[part].Bytes, value);
        place.Sample(damage =>
        {
            byte[] bytes = [.. good];
            bytes[damage.At] = damage.value;
            File.WriteAllBytes(features, bytes);
            using var index = FeatureIndex.Open(at);
            for (int i = 0; i < index.DSae; i++) Try(() => index.Card(i));
            for (int token = 0; token < 40; token++) Try(() => index.PeakingOn(token));
        }, iter: 300, threads: 1);

        static void Try(Action read)
        {
            try
            {
                read();
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    [Fact]
    public void Many_threads_read_one_index()
    {
        using var index = SomeIndex.Make(folder.File("i"), model, sae, contexts);
        long[] alone = [.. Enumerable.Range(0, index.DSae).Select(i => Sum(index.Card(i)))];
        Parallel.For(0, 2000, i => Assert.Equal(alone[i % index.DSae], Sum(index.Card(i % index.DSae))));
        index.Dispose();
        Assert.Throws<ObjectDisposedException>(() => index.Card(0));
        Assert.Throws<ObjectDisposedException>(() => _ = index.Density.Length);

        static long Sum(FeatureCard card) => card.Fired + card.TopContexts.Sum(c => 1000L * c.Context + c.Position) + card.Histogram.Counts.Sum(c => (long)c * c);
    }

    [Fact]
    public void A_latent_of_the_default_options_takes_about_two_and_a_half_kilobytes()
    {
        using var wide = Some.Sae(dSae: 512);
        var many = Some.Contexts(count: 60, length: 12);
        using var index = SomeIndex.Make(folder.File("i"), model, wide, many, new() { MeasuredLatents = 2 });
        Assert.InRange(index.BytesPerLatent, 1500, 3500); // half of its latents fire on a token: windows are as full as can be
        Assert.Equal(many.Count * 12 * 2 + IndexFile.HeaderBytes, index.TokenBytes, 64.0);
    }

    [Fact]
    public void Making_and_reading_leave_no_tensor()
    {
        SomeIndex.Make(folder.File("warm"), model, sae, contexts).Dispose();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        using (var index = SomeIndex.Make(folder.File("i"), model, sae, contexts)) index.Card(3);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Wrong_input_is_refused_in_a_sentence()
    {
        Assert.Throws<ArgumentException>(() => new FeatureIndexBuilder(folder.File("i"), model, SomeIndex.At, sae, [], new("some")));
        Assert.Contains("16 wide", Assert.Throws<ArgumentException>(() => new FeatureIndexBuilder(folder.File("i"), model, new(1, HookSite.MlpPost), sae, contexts, new("some"))).Message, StringComparison.Ordinal);
        Assert.Contains("several lengths", Assert.Throws<ArgumentException>(() => new FeatureIndexBuilder(folder.File("i"), model, SomeIndex.At, sae, [.. contexts, [1, 2]], new("some"))).Message, StringComparison.Ordinal);
        string faults = Assert.Throws<ArgumentException>(() => new FeatureIndexOptions { TokensBefore = -1, BatchContexts = 0, TopContexts = 0 }.Validated()).Message;
        foreach (string name in (string[])["tokens_before", "batch_contexts", "top_contexts"]) Assert.Contains(name, faults, StringComparison.Ordinal);
        using var broken = new StandardSae(sae.WEnc * float.NaN, sae.WDec, sae.BEnc, sae.BDec);
        Assert.Contains("not a number", Assert.Throws<InvalidOperationException>(() => SomeIndex.Make(folder.File("nan"), model, broken, contexts)).Message, StringComparison.Ordinal);
    }

    private FeatureIndexBuilder Builder(string at, FeatureIndexOptions? options = null) => new(at, model, SomeIndex.At, sae, contexts, new("some", "5ae", "70c", "a text"), options ?? SomeIndex.Options);

    private sealed class After(int reports, Action what, List<IndexProgress>? seen = null) : IProgress<IndexProgress>
    {
        private int count;

        public void Report(IndexProgress value)
        {
            seen?.Add(value);
            if (++count == reports) what();
        }
    }
}
