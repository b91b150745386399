using System.IO.Compression;
using System.Text;
using Parsimony.FineTuning;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class SftExamplesTests : IDisposable
{
    private static readonly Lazy<Tokenizer> Pythia = new(() => Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json")));
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    private static Tokenizer Tokenizer => Pythia.Value;

    private string File(string name, string text)
    {
        string path = Path.Combine(folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    [Fact]
    public void Only_the_completion_and_the_end_of_text_after_it_are_targets()
    {
        string path = File("pairs.jsonl", """
            {"prompt": "Question: What is 2 * 7? Answer:", "completion": " 14", "source": "more fields do no harm"}

            {"prompt": "", "completion": "Once upon a time"}
            """);
        var examples = SftExamples.Load(path, Tokenizer, 64);
        int[] prompt = Tokenizer.Encode("Question: What is 2 * 7? Answer:"), completion = Tokenizer.Encode(" 14");
        Assert.Equal(2, examples.Count);
        Assert.Equal([.. prompt, .. completion, 0], examples[0].Tokens);
        Assert.Equal(prompt.Length, examples[0].FirstTarget);
        Assert.Equal(completion.Length + 1, examples[0].Targets);
        Assert.Equal(1, examples[1].FirstTarget); // nothing comes before the first token of an empty prompt
    }

    [Fact]
    public void A_compressed_file_reads_the_same()
    {
        const string text = "{\"prompt\": \"a\", \"completion\": \" b\"}\r\n";
        string path = Path.Combine(folder, "pairs.jsonl.gz");
        using (var zip = new GZipStream(System.IO.File.Create(path), CompressionLevel.Fastest)) zip.Write(Encoding.UTF8.GetBytes(text));
        Assert.Equal(SftExamples.Load(File("pairs.jsonl", text), Tokenizer, 8)[0].Tokens, SftExamples.Load(path, Tokenizer, 8)[0].Tokens);
    }

    [Fact]
    public void Text_is_packed_and_every_token_but_the_first_is_a_target()
    {
        string story = string.Concat(Enumerable.Repeat("The cat sat on the mat. ", 10));
        var fromText = SftExamples.Load(File("story.txt", story), Tokenizer, 16);
        var fromJson = SftExamples.Load(File("story.jsonl", $"{{\"text\": \"{story}\"}}"), Tokenizer, 16);
        Assert.All(fromText, e => Assert.Equal((16, 1, 15), (e.Tokens.Length, e.FirstTarget, e.Targets)));
        Assert.Equal(fromText.Select(e => e.Tokens), fromJson.Select(e => e.Tokens));
    }

    [Theory]
    [InlineData("{\"prompt\": \"a\", \"completion\": \"\"}", "line 2: the completion is empty")]
    [InlineData("{\"prompt\": \"a\"}", "line 2 is not a pair")]
    [InlineData("{\"prompt\": \"a\", \"completion\": 5}", "line 2 is not a pair")]
    [InlineData("{\"prompt\": \"a\", \"complet", "line 2 is not a pair")]
    [InlineData("{\"prompt\": \"a\", \"completion\": \"\\ud800\"}", "line 2 is not a pair")]
    [InlineData("[1]", "line 2 is not a pair")]
    [InlineData("{\"prompt\": \"one two three four five six\", \"completion\": \" seven eight\"}",
        "line 2: 6 prompt and 3 completion tokens (end of text included) do not fit into a context of 8")]
    public void A_line_that_cannot_be_learned_from_is_named(string line, string reason)
    {
        string path = File("pairs.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n" + line + "\n");
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => SftExamples.Load(path, Tokenizer, 8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_or_too_short_a_text_is_named()
    {
        Assert.Throws<FileNotFoundException>(() => SftExamples.Load(Path.Combine(folder, "none.jsonl"), Tokenizer, 8));
        Assert.Throws<InvalidDataException>(() => SftExamples.Load(File("short.txt", "few words"), Tokenizer, 64));
        Assert.Throws<InvalidDataException>(() => SftExamples.Load(File("broken.jsonl", "not json\n"), Tokenizer, 8));
    }

    [Fact]
    public void A_split_keeps_every_example_once_and_at_least_one_on_each_side()
    {
        List<SftExample> all = [.. Enumerable.Range(0, 20).Select(i => new SftExample([i, i], 1))];
        var (train, heldOut) = HoldOut.Split(all, 0.25, seed: 3);
        Assert.Equal((15, 5), (train.Count, heldOut.Count));
        Assert.Equal(all, train.Concat(heldOut).OrderBy(e => e.Tokens[0]));
        Assert.Equal(heldOut, HoldOut.Split(all, 0.25, seed: 3).HeldOut);
        Assert.NotEqual(heldOut, HoldOut.Split(all, 0.25, seed: 4).HeldOut);
        Assert.Single(HoldOut.Split(all, 0.001, 0).HeldOut);
        Assert.Single(HoldOut.Split(all, 0.999, 0).Train);
        Assert.Empty(HoldOut.Split(all, 0, 0).HeldOut);
        Assert.Throws<ArgumentException>(() => HoldOut.Split(all[..1], 0.5, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => HoldOut.Split(all, 1, 0));
    }

    [Fact]
    public void Each_by_itself_and_all_of_different_origins_are_split_by_the_same_draw()
    {
        int[] all = [.. Enumerable.Range(0, 20)], drawn = [.. Permutation.Draw(20, 3, RandomUse.HoldOut, 0).Take(5).Order()];
        Assert.Equal(drawn, HoldOut.Split(all, 0.25, seed: 3).HeldOut);
        Assert.Equal(drawn, HoldOut.Split(all, 0.25, seed: 3, i => $"{i}").HeldOut);
    }

    [Fact]
    public void What_has_one_origin_stays_on_one_side_but_for_few_origins_of_many()
    {
        int[] all = [.. Enumerable.Range(0, 40)];
        var (train, heldOut) = HoldOut.Split(all, 0.25, seed: 3, i => $"{i / 3}");
        Assert.InRange(heldOut.Count, 8, 10);
        Assert.Empty(train.Select(i => i / 3).Intersect(heldOut.Select(i => i / 3)));
        Assert.Equal(10, HoldOut.Split(all, 0.25, seed: 3, _ => "one").HeldOut.Count);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
