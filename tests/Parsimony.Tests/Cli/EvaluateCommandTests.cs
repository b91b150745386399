using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Reporting;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>Protocols, forms of WikiText, and what becomes of an evaluation that is interrupted or repeated.</summary>
public sealed class EvaluateCommandTests : IDisposable
{
    private const string Wiki = " = Red @-@ tipped hen = \n \n It laid 1 @,@ 200 eggs , or 0 @.@ 5 a <unk> ( more or less ) . \n = = Life = = \n \" Cluck ! \" it said . \n";
    private readonly TemporaryFolder folder = new();
    private readonly string model, sae, text, wiki, run;

    public EvaluateCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        sae = SomeFolder.Sae(folder.File("sae"), model);
        (text, wiki, run) = (folder.File("text.txt"), folder.File("wiki.txt"), folder.File("run"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 20).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllText(wiki, string.Concat(Enumerable.Repeat(Wiki, 3)));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_protocol_is_named_and_the_articles_is_the_default()
    {
        var article = Evaluate(text, "--sequence-length", "32");
        Assert.Equal("article", article.GetProperty("evaluation").GetProperty("protocol").GetString());
        long contexts = article.GetProperty("evaluated_tokens").GetInt64() / 32;
        Assert.Equal(31 * contexts, article.GetProperty("evaluation").GetProperty("predicted_tokens").GetInt64());
        Assert.Contains("article's protocol: contexts of 32 tokens that do not overlap", Output(text, "--sequence-length", "32"), StringComparison.Ordinal);

        var strided = Evaluate(text, "--protocol", "strided"); // by default windows of the model's limit, 64, which move on by a half
        var facts = strided.GetProperty("evaluation");
        Assert.Equal(("strided", 64, 32), (facts.GetProperty("protocol").GetString(), facts.GetProperty("sequence_length").GetInt32(), facts.GetProperty("stride").GetInt32()));
        long bytes = new FileInfo(text).Length; // a token each
        Assert.Equal((bytes, bytes - 1), (strided.GetProperty("evaluated_tokens").GetInt64(), facts.GetProperty("predicted_tokens").GetInt64()));
        Assert.Equal(Math.Exp(strided.GetProperty("ce_clean").GetDouble()), facts.GetProperty("perplexity_clean").GetDouble(), 1e-9);
        Assert.True(facts.GetProperty("tokens_per_second").GetDouble() > 0);
        string output = Output(text, "--protocol", "strided", "--stride", "5");
        Assert.Contains("strided protocol: windows of 64 tokens that move on by 5", output, StringComparison.Ordinal);
        Assert.Contains("perplexity", output, StringComparison.Ordinal);
        Assert.DoesNotContain("word perplexity", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_sweep_says_what_it_saved()
    {
        string[] command = [.. Command(text)[..^2], "--sequence-length", "32"];
        var facts = Json([.. command, "--json"]).GetProperty("evaluation");
        Assert.Equal(0.5, facts.GetProperty("layer_sweep_cost").GetProperty("ratio").GetDouble());
        Assert.Equal(9, facts.GetProperty("layer_sweep_cost").GetProperty("layer_passes").GetDouble());
        Assert.True(facts.GetProperty("layer_sweep_seconds").GetDouble() >= 0);
        Assert.Contains("layer sweep: 9 passes of a layer instead of 18 (0.50 times as many)", Invoke(CancellationToken.None, command).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void WikiText_is_recognised_named_and_detokenised()
    {
        var tokens = Evaluate(wiki, "--protocol", "strided");
        var facts = tokens.GetProperty("evaluation");
        Assert.Equal(("wikitext_tokens", false), (facts.GetProperty("form").GetString(), facts.GetProperty("detokenised").GetBoolean()));
        int words = File.ReadAllText(wiki).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        Assert.Equal(words, facts.GetProperty("words").GetInt64());
        double nats = tokens.GetProperty("ce_spliced").GetDouble() * facts.GetProperty("predicted_tokens").GetInt64();
        Assert.Equal(Math.Exp(nats / words), facts.GetProperty("word_perplexity_spliced").GetDouble(), 1e-6 * Math.Exp(nats / words));

        var made = Evaluate(wiki, "--protocol", "strided", "--detokenise");
        Assert.True(made.GetProperty("evaluation").GetProperty("detokenised").GetBoolean());
        Assert.Equal(words, made.GetProperty("evaluation").GetProperty("words").GetInt64()); // of the text as it was
        Assert.Equal(string.Concat(Enumerable.Repeat(Parsimony.Text.WikiText.Detokenise(Wiki), 3)).Length, made.GetProperty("evaluated_tokens").GetInt64());
        Assert.Contains("WikiText's tokens form (<unk>, words spaced apart), detokenised", Output(wiki, "--protocol", "strided", "--detokenise"), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, Evaluate(wiki, "--protocol", "strided", "--max-contexts", "2").GetProperty("evaluation").GetProperty("words").ValueKind); // not all of it
        Assert.Equal(JsonValueKind.Null, Evaluate(wiki, "--sequence-length", "32").GetProperty("evaluation").GetProperty("words").ValueKind);
        Assert.True(Evaluate(wiki, "--sequence-length", "32", "--detokenise").GetProperty("evaluation").GetProperty("detokenised").GetBoolean());

        File.WriteAllText(wiki, File.ReadAllText(wiki).Replace("<unk>", "day", StringComparison.Ordinal));
        Assert.Equal("wikitext_raw", Evaluate(wiki, "--sequence-length", "32").GetProperty("evaluation").GetProperty("form").GetString());
    }

    [Fact]
    public void Rows_that_are_lines_are_measured_as_the_text_they_are_lines_of()
    {
        string rows = folder.File("wiki.jsonl");
        File.WriteAllText(rows, string.Concat(File.ReadLines(wiki).Select(line => JsonSerializer.Serialize(new { text = line + "\n" }) + "\n")));
        foreach (string[] more in (string[][])[[], ["--detokenise"]])
        {
            var (ofRows, ofText) = (Evaluate(rows, ["--protocol", "strided", .. more]), Evaluate(wiki, ["--protocol", "strided", .. more]));
            foreach (string figure in (string[])["evaluated_tokens", "ce_clean", "ce_spliced", "l0"])
                Assert.Equal(ofText.GetProperty(figure).GetDouble(), ofRows.GetProperty(figure).GetDouble());
            Assert.Equal(ofText.GetProperty("evaluation").GetProperty("words").GetInt64(), ofRows.GetProperty("evaluation").GetProperty("words").GetInt64());
        }
    }

    [Theory]
    [InlineData("stride is 8, but the article's contexts do not overlap", "--stride", "8")]
    [InlineData("stride is 65; it must be 1 to 64", "--protocol", "strided", "--stride", "65")]
    [InlineData("stride is 0; it must be 1 to", "--protocol", "strided", "--stride", "0")]
    [InlineData("sequence_length is 65; it must be 2 to 64", "--protocol", "strided", "--sequence-length", "65")]
    [InlineData("--detokenise is for WikiText", "--sequence-length", "32", "--detokenise")]
    [InlineData("checkpoint_every_seconds is -1", "--checkpoint-every-seconds", "-1")]
    public void What_cannot_be_is_said(string says, params string[] options) =>
        Assert.Contains(says, Fail(null, ["evaluate", sae, "--model", model, "--text", text, .. options]), StringComparison.Ordinal);

    [Fact]
    public void An_evaluation_interrupted_and_repeated_ends_in_the_figures_of_one_that_was_not_and_is_then_not_done_again()
    {
        string[] command = ["evaluate", sae, "--model", model, "--text", text, "--protocol", "strided", "--stride", "7", "--batch-contexts", "4", "--out"];
        string whole = folder.File("whole");
        Json([.. command, whole, "--json"]);
        using (var stop = new CancellationTokenSource())
        {
            stop.Cancel();
            var (code, _, error) = Invoke(stop.Token, [.. command, run]);
            Assert.Equal(App.InterruptedCode, code);
            Assert.Contains("the same command goes on from it", error, StringComparison.Ordinal);
        }
        Json([.. command, run, "--json"]);
        Assert.Equal(Figures(whole), Figures(run));
        Assert.Equal(["config.json", "report.json"], Directory.GetFiles(run).Select(file => Path.GetFileName(file)).Order());

        byte[] report = File.ReadAllBytes(Path.Combine(run, "report.json"));
        var (done, output, note) = Invoke(CancellationToken.None, [.. command, run]);
        Assert.Equal(App.DoneCode, done);
        Assert.Contains("measured already, with the same options on the same text", note, StringComparison.Ordinal);
        Assert.Contains("strided protocol", output, StringComparison.Ordinal);
        Assert.Equal(report, File.ReadAllBytes(Path.Combine(run, "report.json")));
        Assert.DoesNotContain("measured already", Invoke(CancellationToken.None, [.. command, run, "--again"]).Error, StringComparison.Ordinal);
        Assert.NotEqual(report, File.ReadAllBytes(Path.Combine(run, "report.json"))); // at least its date
        Assert.Equal(Figures(whole), Figures(run));

        File.AppendAllText(text, "And more.\n"); // the same name, but another text
        Assert.DoesNotContain("measured already", Invoke(CancellationToken.None, [.. command, run]).Error, StringComparison.Ordinal);
        Assert.NotEqual(Figures(whole), Figures(run));
    }

    private static string Figures(string run)
    {
        var report = RunReport.Load(Path.Combine(run, "report.json"));
        return (report with { Date = null, Seconds = null, Evaluation = report.Evaluation! with { TokensPerSecond = 0, LayerSweepSeconds = 0 } }).ToJson();
    }

    private JsonElement Evaluate(string on, params string[] more) => Json([.. Command(on), .. more, "--json"]);

    private string Output(string on, params string[] more) => Invoke(CancellationToken.None, [.. Command(on), .. more]).Output;

    private string[] Command(string on) => ["evaluate", sae, "--model", model, "--text", on, "--layer-sweep", "false"];
}
