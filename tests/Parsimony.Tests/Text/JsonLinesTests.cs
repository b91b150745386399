using System.IO.Compression;
using System.Text;
using Parsimony.Text;
using Xunit;

namespace Parsimony.Tests.Text;

public sealed class JsonLinesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private List<string> Read(string name, byte[] file, string field = "text")
    {
        File.WriteAllBytes(_folder.File(name), file);
        return PlainTextTests.Whole(Documents.Read(_folder.File(name), new TextOptions { TextColumn = field }));
    }

    private static byte[] Zip(params byte[][] members)
    {
        using var zipped = new MemoryStream();
        foreach (byte[] member in members)
            using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(member);
        return zipped.ToArray();
    }

    [Fact]
    public void Each_line_is_a_document()
    {
        byte[] file = Encoding.UTF8.GetBytes("\uFEFF{\"text\": \"one\\n\\\"1\\\" \\u00e9\"}\r\n\n{\"id\": 7, \"text\": \"\"}\n{\"meta\": {\"text\": 0}, \"text\": \"two\"}");
        Assert.Equal(["one\n\"1\" é", "two"], Read("a.jsonl", file));
        Assert.Equal(["one\n\"1\" é", "two"], Read("a.jsonl.gz", Zip(file)));
        Assert.Equal(["one\n\"1\" é", "two"], Read("A.JSON.GZ", Zip(file[..20], file[20..])));
    }

    [Fact]
    public void The_text_may_be_in_another_field() =>
        Assert.Equal(["one"], Read("a.jsonl", "{\"message\": \"one\"}"u8.ToArray(), "message"));

    [Fact]
    public void A_long_document_comes_in_pieces()
    {
        string text = string.Concat(Enumerable.Repeat("Once upon a time.\n", 100_000));
        Assert.Equal([text], Read("a.jsonl", Encoding.UTF8.GetBytes($"{{\"text\": \"{text.Replace("\n", "\\n")}\"}}\n")));
        Assert.Equal(2, Documents.Read(_folder.File("a.jsonl")).Count());
    }

    [Theory]
    [InlineData("a\\ud83e\\udd99b", "a🦙b")]
    [InlineData("a\\ud83eb", "a\uFFFDb")]
    [InlineData("\\uDD99\\uD83E\\uDD99\\uD83E", "\uFFFD🦙\uFFFD")]
    [InlineData("\\\\ud83e \\\\\\ud83e", "\\ud83e \\\uFFFD")]
    public void Half_a_surrogate_pair_becomes_the_replacement_character(string json, string text) =>
        Assert.Equal([text], Read("a.jsonl", Encoding.UTF8.GetBytes($"{{\"text\": \"{json}\"}}")));

    [Fact]
    public void Broken_UTF_8_is_replaced() =>
        Assert.Equal(["a\uFFFDb"], Read("a.jsonl", [.. "{\"text\": \"a"u8, 0xFF, .. "b\"}"u8]));

    [Theory]
    [InlineData("{\"text\": \"two", "this is not valid JSON (at byte 13 of the line)")]
    [InlineData("{\"text\": \"two\"} {}", "this is not valid JSON (at byte 16 of the line)")]
    [InlineData("[1]", "this is an array, not an object")]
    [InlineData("{\"message\": \"two\", \"id\": 2}", "the object has no \"text\" (it has: message, id)")]
    [InlineData("{\"text\": null}", "\"text\" is null, not a string")]
    [InlineData("{\"text\": [\"two\"]}", "\"text\" is an array, not a string")]
    public void A_broken_line_is_named_with_what_is_allowed_and_what_to_do(string line, string fault)
    {
        var error = Assert.Throws<InvalidDataException>(() => Read("a.jsonl", Encoding.UTF8.GetBytes("{\"text\": \"one\"}\n\n" + line + "\n")));
        Assert.Equal($"'{_folder.File("a.jsonl")}', line 3: {fault}. Each line must be one JSON object with a text in its field \"text\", "
            + "such as {\"text\": \"Once upon a time\"}. Correct or delete the line, name another field with --text-column, or pass over broken lines with --skip-bad.", error.Message);
    }

    [Fact]
    public void A_broken_archive_is_named()
    {
        byte[] lines = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{{\"text\": \"number {i * 7919}\"}}\n")));
        byte[] zipped = Zip(lines);
        foreach (byte[] broken in (byte[][])[lines, [.. zipped[..100], 0xFF, 0xFF, 0xFF, 0xFF, .. zipped[104..]]])
            Assert.Matches("a.jsonl.gz' is not a whole gzip file .*Fetch or compress it again",
                Assert.Throws<InvalidDataException>(() => Read("a.jsonl.gz", broken)).Message);
        Assert.Matches("a.jsonl.gz', line [0-9]{4}: this is not valid JSON .* the file ends there: it may be cut short",
            Assert.Throws<InvalidDataException>(() => Read("a.jsonl.gz", zipped[..(zipped.Length / 2)])).Message);
    }

    [Fact]
    public void Files_as_C4_and_Dolma_ship_them_are_read()
    {
        Assert.Equal(300, PlainTextTests.Whole(Documents.Read(Shared.Path("data/web/c4_demo.jsonl"))).Count);
        Assert.Equal(30, Enumerable.Range(1, 3).Sum(i => PlainTextTests.Whole(Documents.Read(Shared.Path($"data/web/olmo-c4-sample.0{i}.json.gz"))).Count));
        Assert.StartsWith("PPAA Home\nAbout", PlainTextTests.Whole(Documents.Read(Shared.Path("data/jsonl/dolma-provided-documents-000.json.gz")))[0]);
    }
}
