using CsCheck;
using Parsimony.Text;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class TokenCacheTests : IDisposable
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();
    private static readonly TextSplit Training = new(0.2, TextSide.Training);
    private readonly TemporaryFolder folder = new();
    private readonly TokenCache cache;
    private readonly string text;

    public TokenCacheTests()
    {
        cache = new TokenCache(folder.File("cache"));
        text = folder.File("text.jsonl");
        File.WriteAllLines(text, Enumerable.Range(0, 3000).Select(i => $"{{\"text\": \"{string.Concat(Enumerable.Repeat($"hello help {i} ", 1 + i * i % 23))}\"}}")); // about 600 kB, several chunks
    }

    public void Dispose() => folder.Dispose();

    private static void AreSame(PackedText expected, PackedText actual)
    {
        Assert.Equal(expected.Contexts.SelectMany(c => c), actual.Contexts.SelectMany(c => c));
        Assert.Equal((expected.Contexts.Count, expected.Documents, expected.Bad.Count), (actual.Contexts.Count, actual.Documents, actual.Bad.Count));
    }

    [Fact]
    public void Contexts_are_the_same_with_and_without_the_cache_however_it_came_to_be()
    {
        foreach (var split in new[] { null, Training })
            foreach (int? limit in new int?[] { 1, 300, 5000, null, 7 })
                foreach (int length in (int[])[32, 5])
                {
                    var corpus = Corpus.Open(text, new TextOptions { ShuffleDocuments = split is null ? 100 : 0 });
                    AreSame(ContextPacker.Pack(corpus, Tiny, length, split, limit), cache.Pack(corpus, Tiny, length, split, limit));
                }
        Assert.Equal(2, Directory.GetFiles(folder.Path, "tokens.bin", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Documents_begin_and_end_with_their_tokens_in_every_way_of_packing()
    {
        var llama = Tokenizer.Load(Shared.Path("data/stories260K"));
        Assert.NotNull(llama.BeginOfTextId);
        var corpus = Corpus.Open(text);
        var packed = ContextPacker.Pack(corpus, llama, 32, limit: 500);
        Assert.Equal(ContextPacker.Pack(corpus.Read().Pieces(), llama, 32).Take(500).SelectMany(c => c), packed.Contexts.SelectMany(c => c));
        AreSame(packed, cache.Pack(corpus, llama, 32, limit: 500));
    }

    [Fact]
    public void The_second_time_the_text_is_not_read()
    {
        var first = cache.Pack(Corpus.Open(text), Tiny, 32);
        var written = File.GetLastWriteTimeUtc(text);
        File.WriteAllBytes(text, new byte[new FileInfo(text).Length]);
        File.SetLastWriteTimeUtc(text, written);
        AreSame(first, cache.Pack(Corpus.Open(text), Tiny, 32));
        File.SetLastWriteTimeUtc(text, written.AddSeconds(1));
        Assert.Throws<InvalidDataException>(() => cache.Pack(Corpus.Open(text), Tiny, 32)); // another content
    }

    [Fact]
    public void It_is_found_by_content_and_not_taken_for_another_text_tokenizer_or_way_of_reading()
    {
        cache.Pack(Corpus.Open(text), Tiny, 32);
        string copy = Directory.CreateDirectory(folder.File("copy")).FullName;
        File.Copy(text, Path.Combine(copy, "text.jsonl"));
        cache.Pack(Corpus.Open(copy), Tiny, 32);
        Assert.Single(Directory.GetFiles(folder.Path, "index.json", SearchOption.AllDirectories));
        File.AppendAllText(text, "{\"text\": \"more\"}\n");
        cache.Pack(Corpus.Open(text), Tiny, 32);
        cache.Pack(Corpus.Open(text, new TextOptions { Shards = 2 }), Tiny, 32);
        Assert.Equal(3, Directory.GetFiles(folder.Path, "index.json", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void What_an_interruption_left_half_written_does_not_count()
    {
        var corpus = Corpus.Open(text);
        cache.Pack(corpus, Tiny, 32, limit: 10);
        foreach (string name in (string[])["tokens.bin", "ends.bin"])
            using (var file = new FileStream(Directory.GetFiles(folder.Path, name, SearchOption.AllDirectories)[0], FileMode.Append)) file.Write("half"u8);
        AreSame(ContextPacker.Pack(corpus, Tiny, 32), cache.Pack(corpus, Tiny, 32));
        File.WriteAllBytes(Directory.GetFiles(folder.Path, "tokens.bin", SearchOption.AllDirectories)[0], [1, 2]);
        AreSame(ContextPacker.Pack(corpus, Tiny, 32), cache.Pack(corpus, Tiny, 32));
    }

    [Fact]
    public void While_another_process_writes_it_this_one_goes_without()
    {
        var corpus = Corpus.Open(text);
        var whole = cache.Pack(corpus, Tiny, 32, limit: 10);
        string lockFile = Directory.GetFiles(folder.Path, "lock", SearchOption.AllDirectories)[0];
        using (new FileStream(lockFile, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            AreSame(whole, cache.Pack(corpus, Tiny, 32, limit: 10));
            AreSame(ContextPacker.Pack(corpus, Tiny, 32), cache.Pack(corpus, Tiny, 32));
        }
    }

    [Fact]
    public void What_was_passed_over_is_said_the_second_time_too()
    {
        File.AppendAllText(text, "broken\n{\"text\": \"end\"}\n");
        var corpus = Corpus.Open(text, new TextOptions { SkipBad = true });
        Assert.Equal(cache.Pack(corpus, Tiny, 32).Bad.Sentence, cache.Pack(corpus, Tiny, 32).Bad.Sentence);
        Assert.Contains("Passed over 1 broken part of the text", cache.Pack(corpus, Tiny, 32).Bad.Sentence, StringComparison.Ordinal);
        var error = Assert.Throws<InvalidDataException>(() => cache.Pack(corpus, Tiny, 10_000_000));
        Assert.Contains("but one context needs 10000000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reading_ahead_changes_neither_elements_nor_errors_and_stops_with_the_taker() =>
        Gen.Select(Gen.Int[0, 20], Gen.Int[0, 25], Gen.Bool).Sample((count, take, fails) =>
        {
            bool ended = false;
            IEnumerable<int> Source()
            {
                try
                {
                    for (int i = 0; i < count; i++) yield return i;
                    if (fails) throw new InvalidDataException("broken");
                }
                finally
                {
                    ended = true;
                }
            }
            var taken = new List<int>();
            bool failed = false;
            try
            {
                foreach (int i in ReadAhead.Of(ReadAhead.Of(Source(), 2), 3).Take(take)) taken.Add(i);
            }
            catch (InvalidDataException)
            {
                failed = true;
            }
            return taken.SequenceEqual(Enumerable.Range(0, Math.Min(count, take))) && failed == (fails && take > count) && (ended || take == 0);
        }, iter: 60, threads: 1);
}
