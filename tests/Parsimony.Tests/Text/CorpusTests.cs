using System.IO.Compression;
using System.Text;
using CsCheck;
using Parsimony.Text;
using Xunit;
using static Parsimony.Tests.Text.PlainTextTests;

namespace Parsimony.Tests.Text;

public sealed class CorpusTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Write(string name, string text)
    {
        string path = folder.File(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using Stream file = File.Create(path), packed = Path.GetExtension(name) switch
        {
            ".gz" => new GZipStream(file, CompressionLevel.Fastest),
            ".zst" => new ZstdSharp.CompressionStream(file),
            _ => file,
        };
        packed.Write(Encoding.UTF8.GetBytes(text));
        return path;
    }

    private static string Lines(params string[] documents) => string.Concat(documents.Select(d => $"{{\"text\": \"{d}\"}}\n"));

    [Fact]
    public void A_folder_or_a_pattern_is_all_its_texts_in_the_order_of_their_names()
    {
        Write("b.jsonl", Lines("b1", "b2"));
        Write("a/2.jsonl.zst", Lines("a2"));
        Write("a/10.txt.gz", "a10\n<|endoftext|>\na10'");
        Write("a/README.md", "not a text");
        Assert.Equal(["a10", "a10'", "a2", "b1", "b2"], Whole(Documents.Read(folder.Path)));
        Assert.Equal(["a10", "a10'", "a2", "b1", "b2"], Whole(Documents.Read(folder.File("**/*"))));
        Assert.Equal(["b1", "b2"], Whole(Documents.Read(folder.File("*.jsonl"))));
        Assert.Equal(["a2"], Whole(Documents.Read(folder.File("?/*.zst"))));
        Assert.Matches("there is no text file of that pattern. Allowed are .txt, .jsonl",
            Assert.Throws<FileNotFoundException>(() => Documents.Read(folder.File("*.pgn"))).Message);
        Assert.Contains("there is no text file in that folder",
            Assert.Throws<FileNotFoundException>(() => Documents.Read(Directory.CreateDirectory(folder.File("empty")).FullName)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_that_begins_at_a_position_gives_exactly_the_rest()
    {
        Write("1.txt", string.Join("\n<|endoftext|>\n", Enumerable.Range(0, 7).Select(i => $"t{i}")));
        Write("2.jsonl.gz", "\n" + Lines([.. Enumerable.Range(0, 9).Select(i => $"j{i}")]));
        Write("3.pgn", string.Concat(Enumerable.Range(1, 5).Select(i => $"[Event \"{i}\"]\n\n1. e{i} *\n\n")));
        Gen.Select(Gen.Int[0, 6], Gen.Int[1, 3], Gen.Int[0, 2], Gen.Int[0, 22], Gen.Int[0, 5]).Sample((shuffle, shards, shard, stop, seed) =>
        {
            var corpus = Corpus.Open(folder.Path, new TextOptions { ShuffleDocuments = shuffle, ShuffleSeed = seed, Shards = shards, Shard = shard % shards });
            var all = Whole(corpus.Read().Pieces());
            var reader = corpus.Read();
            var first = reader.Pieces().Take(stop).Select(p => p.Text).ToList();
            return all.SequenceEqual([.. first, .. Whole(corpus.Read(reader.Position).Pieces())]);
        }, iter: 100, threads: 1);
    }

    [Fact]
    public void Shards_share_out_every_document_once_and_shuffling_loses_none()
    {
        string path = Write("a.jsonl", Lines([.. Enumerable.Range(0, 50).Select(i => $"{i}")]));
        List<string> Read(int shuffle, long seed, int shards, int shard) =>
            Whole(Documents.Read(path, new TextOptions { ShuffleDocuments = shuffle, ShuffleSeed = seed, Shards = shards, Shard = shard }));
        var whole = Read(0, 0, 1, 0);
        Assert.Equal(whole.Order(), Enumerable.Range(0, 3).SelectMany(shard => Read(0, 0, 3, shard)).Order());
        Assert.Equal(["1", "4", "7"], Read(0, 0, 3, 1).Take(3));
        var shuffled = Read(20, 1, 1, 0);
        Assert.Equal(whole[..20].Order(), shuffled[..20].Order());
        Assert.Equal(whole.Order(), shuffled.Order());
        Assert.NotEqual(whole, shuffled);
        Assert.NotEqual(shuffled, Read(20, 2, 1, 0));
        Assert.Equal(shuffled, Read(20, 1, 1, 0));
    }

    [Fact]
    public void What_is_broken_is_an_error_or_counted_and_passed_over()
    {
        Write("1.jsonl", Lines("a") + "{broken\n" + Lines("b"));
        byte[] zipped = File.ReadAllBytes(Write("2.jsonl.zst", Lines([.. Enumerable.Range(0, 20_000).Select(i => $"{(long)i * i * 7919 % 1_000_003}")])));
        File.WriteAllBytes(folder.File("2.jsonl.zst"), zipped[..(zipped.Length / 2)]);
        Write("3.txt.gz", "c");
        File.WriteAllText(folder.File("4.parquet"), "no parquet");
        Write("5.pgn", "[Event \"x\"\n1. e4 *\n\n[Event \"y\"]\n1. d4 *\n");
        Write("6.jsonl", Lines("d"));
        foreach (var (file, fault) in new[] { ("1.jsonl", "1.jsonl', line 2: this is not valid JSON"), ("2.jsonl.zst", "2.jsonl.zst"),
            ("4.parquet", "4.parquet' is not a parquet file that can be read"), ("5.pgn", "5.pgn', line 1: the tag") })
            Assert.Contains(fault, Assert.Throws<InvalidDataException>(() => Documents.Read(folder.File(file)).Count()).Message, StringComparison.Ordinal);

        var reader = Corpus.Open(folder.Path, new TextOptions { SkipBad = true }).Read();
        var documents = Whole(reader.Pieces());
        Assert.Equal(["a", "b", "0", "7919"], documents[..4]); // as far as the archive goes
        Assert.Equal(["c", "1. d4 *", "d"], documents[^3..]);
        Assert.InRange(documents.Count, 8, 20_000);
        Assert.Equal(4, reader.Bad.Count);
        Assert.Matches("^Passed over 4 broken parts of the text .--skip-bad.; the first: '.*1.jsonl', line 2: ", reader.Bad.Sentence);
    }

    [Fact]
    public void A_field_inside_another_is_named_with_a_dot()
    {
        string path = Write("a.jsonl", "{\"a\": {\"b\": \"one\"}, \"a.b\": \"two\"}\n{\"a\": {\"b\": \"three\"}}\n");
        Assert.Equal(["two", "three"], Whole(Documents.Read(path, new TextOptions { TextColumn = "a.b" })));
    }

    [Fact]
    public void Texts_as_others_ship_them_are_read()
    {
        var message = new TextOptions { TextColumn = "message" };
        Assert.Equal(Whole(Documents.Read(Shared.Path("data/jsonl/dolma-formats-test.jsonl.gz"), message)), Whole(Documents.Read(Shared.Path("data/jsonl/dolma-formats-test.jsonl.zst"), message)));
        Assert.NotEmpty(Whole(Documents.Read(Path.Combine(Shared.Path("data/jsonl"), "*head*"))));
        Assert.Equal(330, Documents.Read(Shared.Path("data/web")).Count(p => p.EndsDocument));
    }
}
