using Parsimony.Text;
using Parsimony.Tokens;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>Texts of many files and kinds, as commands take them.</summary>
public sealed class CorpusCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, texts;

    public CorpusCommandTests()
    {
        (model, texts) = (SomeFolder.Model(folder.File("model")), Directory.CreateDirectory(folder.File("texts")).FullName);
        File.WriteAllLines(Path.Combine(texts, "a.jsonl"), Enumerable.Range(0, 40).Select(i => $"{{\"body\": \"The {i}th hen laid {i} eggs.\"}}"));
        File.WriteAllText(Path.Combine(texts, "b.pgn"), string.Concat(Enumerable.Repeat("[Event \"x\"]\n1. e4 e5 2. Nf3 Nc6 1-0\n", 9)));
    }

    public void Dispose() => folder.Dispose();

    private string[] Train(string output, string text, params string[] more) => ["train", "--model", model, "--text", text, "--sequence-length", "32", "--out", folder.File(output),
        "--expansion-factor", "1", "--training-tokens", "1280", "--batch-tokens", "128", "--text-column", "body", "--json", .. more];

    private string Sha(string output) => Parsimony.Files.FileHash.Sha256(folder.File($"{output}/sae/sae_weights.safetensors"));

    [Fact]
    public void What_is_passed_over_is_said_on_standard_error()
    {
        File.AppendAllText(Path.Combine(texts, "a.jsonl"), "broken\n");
        Assert.Contains("a.jsonl', line 41: this is not valid JSON", Fail(1, Train("run", texts)), StringComparison.Ordinal);
        var (code, _, error) = Invoke(CancellationToken.None, Train("run", texts, "--skip-bad", "true"));
        Assert.Equal(0, code);
        Assert.Contains("Passed over 1 broken part of the text (--skip-bad); the first: '", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Max_tokens_trains_on_the_beginning_of_the_text()
    {
        var options = new TextOptions { TextColumn = "body" };
        var tokenizer = Tokenizer.Load(model);
        string beginning = tokenizer.Decode([.. ContextPacker.Pack(Corpus.Open(texts, options), tokenizer, 32, limit: 12).Contexts.SelectMany(c => c)]);
        File.WriteAllText(folder.File("beginning.txt"), beginning.Replace("<|endoftext|>", "\n<|endoftext|>\n", StringComparison.Ordinal));
        Json(Train("run", texts, "--max-tokens", "400"));
        Json(Train("beginning", folder.File("beginning.txt")));
        Assert.Equal(Sha("beginning"), Sha("run"));
        Assert.Contains("--max-tokens is 31; it must be one context (32) or more", Fail(2, Train("other", texts, "--max-tokens", "31")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_shuffled_text_is_another_run_and_the_same_one_again()
    {
        string[] shuffled = ["--shuffle-documents", "20", "--shuffle-seed", "3", "--max-tokens", "640"];
        Json(Train("run", texts, "--max-tokens", "640"));
        Json(Train("shuffled", texts, shuffled));
        Json(Train("again", texts, shuffled));
        Assert.NotEqual(Sha("run"), Sha("shuffled"));
        Assert.Equal(Sha("shuffled"), Sha("again"));
        Assert.Contains("was begun with other options: corpus.shuffle_documents was 20, is now 10", Fail(1, Train("shuffled", texts, ["--shuffle-documents", "10", .. shuffled[2..]])), StringComparison.Ordinal);
    }
}
