using System.Text;
using CsCheck;
using Parsimony.Text;
using Xunit;

namespace Parsimony.Tests.Text;

public sealed class PlainTextTests
{
    private static List<string> Read(byte[] file, TextOptions? options = null)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.File("a.txt"), file);
        return Whole(Documents.Read(folder.File("a.txt"), options));
    }

    internal static List<string> Whole(IEnumerable<TextPiece> pieces)
    {
        List<string> documents = [];
        var document = new StringBuilder();
        foreach (var (text, ends) in pieces)
        {
            Assert.NotEmpty(text);
            document.Append(text);
            if (!ends) continue;
            documents.Add(document.ToString());
            document.Clear();
        }
        Assert.Equal(0, document.Length);
        return documents;
    }

    [Theory]
    [InlineData("", new string[0])]
    [InlineData("one", new[] { "one" })]
    [InlineData("one\n\ntwo\n", new[] { "one\n\ntwo\n" })]
    [InlineData("one\n<|endoftext|>\ntwo\n", new[] { "one", "two\n" })]
    [InlineData("one\r\n<|endoftext|>\r\ntwo\r\n", new[] { "one", "two\r\n" })]
    [InlineData("one\n\n<|endoftext|>\n\ntwo\n<|endoftext|>", new[] { "one\n", "\ntwo" })]
    [InlineData("<|endoftext|>\n<|endoftext|>\none\n<|endoftext|>\n", new[] { "one" })]
    [InlineData("one <|endoftext|>\n <|endoftext|>\nx\rtwo", new[] { "one <|endoftext|>\n <|endoftext|>\nx\rtwo" })]
    public void A_separator_line_stands_between_documents(string file, string[] documents) =>
        Assert.Equal(documents, Read(Encoding.UTF8.GetBytes(file)));

    [Fact]
    public void The_separator_can_be_any_line_or_none()
    {
        byte[] file = "one\n---\ntwo\n<|endoftext|>\n"u8.ToArray();
        Assert.Equal(["one", "two\n<|endoftext|>\n"], Read(file, new TextOptions { Separator = "---" }));
        Assert.Equal(["one\n---\ntwo\n<|endoftext|>\n"], Read(file, new TextOptions { Separator = null }));
    }

    [Fact]
    public void A_byte_order_mark_is_dropped_and_broken_UTF_8_replaced()
    {
        Assert.Equal(["caf\u00e9"], Read([0xEF, 0xBB, 0xBF, .. "café"u8]));
        Assert.Equal(["caf\u00e9"], Read([0xFF, 0xFE, .. Encoding.Unicode.GetBytes("café")]));
        Assert.Equal(["a\uFFFDb\uFFFD"], Read([(byte)'a', 0xFF, (byte)'b', 0xC3]));
        Assert.Empty(Read([0xEF, 0xBB, 0xBF]));
    }

    [Fact]
    public void Lines_keep_every_character_whatever_their_length() =>
        Gen.Select(Gen.Int[0, 200_000], Gen.OneOf("\n", "\r\n", "\r", "", "é\n")).Array[0, 6].Sample(lines =>
        {
            string text = string.Concat(lines.Select((l, i) => new string((char)('a' + i), l.Item1) + l.Item2));
            return string.Concat(TextLines.Read(new StringReader(text), "a").Select(l => l.Content + l.Break)) == text;
        }, iter: 30, threads: 1);

    [Theory]
    [InlineData("ab\ncd ef", 6, 2)]          // before the last newline that follows a word
    [InlineData("ab\r\ncd ef", 7, 2)]        // and before its carriage return
    [InlineData("a\n\n\nbc", 4, 1)]          // before the whole run
    [InlineData("ab cd ef", 6, 5)]
    [InlineData("ab   cdefgh", 6, 2)]
    [InlineData("天天，天天天", 4, 2)]
    [InlineData("abcdefgh", 4, 4)]
    [InlineData("abc𝐀efgh", 4, 3)]
    [InlineData("abc", 3, 3)]
    [InlineData("  a", 2, 2)]
    public void Text_is_cut_where_no_token_reaches_across(string text, int limit, int length) =>
        Assert.Equal(length, SafeCut.Length(text, limit));

    [Fact]
    public void A_large_document_comes_in_pieces_and_is_never_held_whole()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("large.txt");
        string line = string.Concat(Enumerable.Repeat("The rabbit ran over the hill. ", 40)) + "\n";
        const int lines = 40_000;                                   // 48 MB, 96 MB as UTF-16
        using (var file = new StreamWriter(path))
            for (int i = 0; i < lines; i++) file.Write(line);

        long before = GC.GetTotalMemory(forceFullCollection: true), most = 0, length = 0;
        int pieces = 0;
        foreach (var (text, _) in Documents.Read(path))
        {
            length += text.Length;
            Assert.InRange(text.Length, 1, SafeCut.PieceChars);
            if (++pieces % 12 == 0) most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
        }
        Assert.Equal((long)lines * line.Length, length);
        Assert.InRange(most, 1, 16 << 20);
    }

    [Fact]
    public void What_cannot_be_read_is_refused_before_the_first_document()
    {
        using var folder = new TemporaryFolder();
        string pdf = folder.File("a.pdf"), missing = folder.File("b.txt");
        File.WriteAllText(pdf, "x");
        Assert.Equal($"'{pdf}' is not a kind of text file this reads. Allowed are {TextFile.Kinds}; convert or rename it.",
            Assert.Throws<ArgumentException>(() => Documents.Read(pdf)).Message);
        Assert.Equal($"There is no file or folder '{missing}'. Give a text: {TextFile.Kinds}, or a folder or a pattern of such.",
            Assert.Throws<FileNotFoundException>(() => Documents.Read(missing)).Message);
    }

    [Fact]
    public void Options_name_every_fault_and_have_these_defaults()
    {
        Assert.Equal(new TextOptions { Separator = "<|endoftext|>", TextColumn = "text", SkipBad = false, ShuffleDocuments = 0, ShuffleSeed = 0, Shards = 1, Shard = 0 }, new TextOptions().Validated());
        Assert.Equal("separator is empty or has a line break; give the content of one line, or null for one document per file; "
            + "text_column is empty; give the name of the field or column that holds the text; shuffle_documents is -1; give 0 or more; shard is 2; of 2 give 0 to 1.",
            Assert.Throws<ArgumentException>(() => new TextOptions { Separator = "a\n", TextColumn = "", ShuffleDocuments = -1, Shards = 2, Shard = 2 }.Validated()).Message);
    }
}
