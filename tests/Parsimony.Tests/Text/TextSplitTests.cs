using System.IO.Compression;
using System.Text.Json;
using CsCheck;
using Parsimony.Text;
using Xunit;

namespace Parsimony.Tests.Text;

public sealed class TextSplitTests : IDisposable
{
    private static readonly Gen<string[]> SomeDocuments = Gen.OneOf(Gen.String[Gen.Char["ab \n"], 1, 4], Gen.String[1, 30].Where(s => s.Length > 0)).Array[0, 12];
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_two_sides_have_nothing_in_common_and_together_they_are_the_text_in_its_order() =>
        SomeDocuments.Select(Gen.Double[0.01, 0.99]).Sample((documents, fraction) =>
        {
            string[] training = Side(documents, fraction, TextSide.Training), heldOut = Side(documents, fraction, TextSide.HeldOut);
            Assert.Empty(training.Intersect(heldOut));
            Assert.Equal(training, documents.Where(training.Contains));
            Assert.Equal(heldOut, documents.Where(heldOut.Contains));
            Assert.Equal(documents.Length, training.Length + heldOut.Length);
        }, iter: 300);

    [Fact]
    public void A_document_keeps_its_side_in_any_order_among_any_others_with_its_copies_and_when_more_are_held_out() =>
        SomeDocuments.Select(Gen.Double[0.01, 0.9]).Sample((documents, fraction) =>
        {
            var heldOut = Side(documents, fraction, TextSide.HeldOut).ToHashSet();
            Assert.Equal(heldOut, Side([.. documents.Reverse(), .. documents, "another"], fraction, TextSide.HeldOut).Except(["another"]).ToHashSet());
            Assert.Subset(Side(documents, fraction + 0.09, TextSide.HeldOut).ToHashSet(), heldOut);
            foreach (string document in documents) // what a line break at the end of a file adds
                Assert.Equal(heldOut.Contains(document), Side([document + "\n"], fraction, TextSide.HeldOut).Length == 1);
        }, iter: 300);

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.5)]
    public void The_fraction_is_about_that_of_the_documents(double fraction)
    {
        const int n = 20_000;
        int heldOut = Side([.. Enumerable.Range(0, n).Select(i => $"document {i}")], fraction, TextSide.HeldOut).Length;
        Assert.InRange((heldOut - n * fraction) / Math.Sqrt(n * fraction * (1 - fraction)), -3, 3); // in standard deviations
    }

    [Fact]
    public void The_rule_never_changes_since_runs_rely_on_it() =>
        // python3: [i for i in range(60) if int.from_bytes(hashlib.sha256(f"document {i}".encode()).digest()[:8], "big") < 0.1 * 2**64]
        Assert.Equal([21, 22, 51, 55, 59], Enumerable.Range(0, 60).Where(i => Side([$"document {i}"], 0.1, TextSide.HeldOut).Length == 1));

    [Fact]
    public void The_same_documents_are_held_out_of_every_kind_of_file_also_of_long_ones()
    {
        string word = string.Concat(Enumerable.Range(0, 250_000).Select(i => $"w{i} "));
        string[] documents = [.. Enumerable.Range(0, 40).Select(i => i % 13 == 0 ? $"long {i} {word}end" : $"short {i}, käse\nnext line")];
        File.WriteAllText(folder.File("a.txt"), string.Join("\n<|endoftext|>\n", documents) + "\n");
        string[] lines = [.. documents.Select(text => JsonSerializer.Serialize(new { text }))];
        File.WriteAllLines(folder.File("a.jsonl"), lines);
        using (var zip = new StreamWriter(new GZipStream(File.Create(folder.File("a.jsonl.gz")), CompressionLevel.Fastest)))
            foreach (string line in lines) zip.Write(line + "\n");
        foreach (var side in Enum.GetValues<TextSide>())
        {
            string[] expected = Side(documents, 0.4, side);
            Assert.InRange(expected.Length, 8, 32);
            Assert.Contains(expected, d => d.Length > 1 << 20);
            foreach (string file in (string[])["a.txt", "a.jsonl", "a.jsonl.gz"])
                Assert.Equal(expected, PlainTextTests.Whole(new TextSplit(0.4, side).Of(Documents.Read(folder.File(file)))).Select(d => d.TrimEnd('\n')));
        }
    }

    [Fact]
    public void Documents_are_streamed()
    {
        static IEnumerable<TextPiece> Endless()
        {
            for (int i = 0; ; i++) yield return new($"document {i}", EndsDocument: true);
        }
        Assert.Equal(5, new TextSplit(0.2, TextSide.HeldOut).Of(Endless()).Take(5).Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    public void A_fraction_that_leaves_a_side_empty_is_refused(double fraction) =>
        Assert.Contains("it must be above 0 and below 1", Assert.Throws<ArgumentException>(() => new TextSplit(fraction, TextSide.Training).Of([])).Message, StringComparison.Ordinal);

    private static string[] Side(string[] documents, double fraction, TextSide side) =>
        [.. PlainTextTests.Whole(new TextSplit(fraction, side).Of(documents.SelectMany(Pieces)))];

    private static IEnumerable<TextPiece> Pieces(string document)
    {
        for (int at = 0, end; at < document.Length; at = end)
        {
            end = at + SafeCut.Length(document.AsSpan(at), SafeCut.PieceChars);
            yield return new(document[at..end], EndsDocument: end == document.Length);
        }
    }
}
