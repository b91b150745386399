using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Cli.Commands;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

public sealed class ComparisonTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, heldOut, sweep, output;

    public ComparisonTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        (text, heldOut, sweep, output) = (folder.File("text.txt"), folder.File("held-out.txt"), folder.File("sweep.json"), folder.File("sweep"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllText(heldOut, string.Concat(Enumerable.Range(0, 20).Select(i => $"A fox came {i * 5 % 11} times.\n")));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_sweep_that_names_a_text_trains_and_evaluates_each_as_alone()
    {
        Write(""" "runs": [ { "name": "topk-4", "architecture": "topk", "k": 4 }, { "name": "plain", "architecture": "standard" } ] """);
        var rows = Json("train", sweep, "--json").EnumerateArray().ToList();
        Assert.Equal(["topk-4", "plain"], rows.Select(r => r.GetProperty("name").GetString()));
        Assert.Equal(["topk", "standard"], rows.Select(r => r.GetProperty("architecture").GetString()));
        foreach (var row in rows)
        {
            string run = row.GetProperty("folders")[0].GetString()!;
            double seconds = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "report.json"))).RootElement.GetProperty("seconds").GetProperty("train").GetDouble();
            var alone = Json("evaluate", run, "--text", heldOut, "--sequence-length", "32", "--layer-sweep", "false", "--out", folder.File("alone"), "--json");
            var mean = row.GetProperty("mean");
            foreach (string figure in (string[])["l0", "ce_clean", "ce_spliced", "ce_zero_ablated", "ce_loss_recovered", "explained_variance", "dead_fraction"])
                Assert.Equal(alone.GetProperty(figure).GetDouble(), mean.GetProperty(figure).GetDouble());
            Assert.Equal(seconds, mean.GetProperty("train_seconds").GetDouble());
            Assert.InRange(mean.GetProperty("dead_fraction_training").GetDouble(), 0, 1);
            Assert.Equal(alone.GetProperty("evaluated_tokens").GetInt64(), row.GetProperty("evaluated_tokens").GetInt64());
            Assert.True(row.GetProperty("held_out").GetBoolean());
            Assert.Equal(JsonValueKind.Null, row.GetProperty("spread").ValueKind);
        }
        Assert.Contains("NOT held out, trained on this file: plain, topk-4", Invoke(CancellationToken.None, "evaluate", output, "--text", text,
            "--sequence-length", "32", "--layer-sweep", "false").Output, StringComparison.Ordinal);
        string[] evaluate = ["evaluate", output, "--text", heldOut, "--sequence-length", "32", "--layer-sweep", "false"];
        Assert.Equal(["plain", "topk-4"], Json([.. evaluate, "--json"]).EnumerateArray().Select(r => r.GetProperty("name").GetString()));
        var (code, table, error) = Invoke(CancellationToken.None, "train", sweep); // trained and measured already: shown
        Assert.True(code == 0, error);
        foreach (string name in (string[])["topk-4", "plain"]) Assert.Contains($"evaluate {name}: measured already", error, StringComparison.Ordinal);
        foreach (string says in (string[])["recovered", "in training", "topk-4", "plain"]) Assert.Contains(says, table, StringComparison.Ordinal);
        Assert.Contains("Leave it out", Invoke(CancellationToken.None, [.. evaluate, "--out", folder.File("one")]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_sweep_goes_on_to_the_same_table_and_says_what_is_not_trained_yet()
    {
        const string Runs = """ "runs": [ { "name": "topk-4", "architecture": "topk", "k": 4 }, { "name": "gated", "architecture": "gated" } ] """;
        Write(Runs);
        using (var stop = new CancellationTokenSource())
        {
            stop.Cancel();
            Assert.Equal(App.InterruptedCode, Invoke(stop.Token, "train", sweep).Code);
        }
        string table = Figures(Json("train", sweep, "--json"));
        string elsewhere = folder.File("elsewhere");
        Assert.Equal(Figures(Json("train", sweep, "--out", elsewhere, "--json")), table);
        Directory.Delete(Path.Combine(elsewhere, "gated", "sae"), recursive: true);
        var (code, output, error) = Invoke(CancellationToken.None, "evaluate", elsewhere, "--text", heldOut, "--sequence-length", "32", "--json");
        Assert.True(code == 0, error);
        Assert.Equal(1, JsonDocument.Parse(output).RootElement.GetArrayLength());
        Assert.Contains("left out, not trained to their end: gated", error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_measured_already_is_not_measured_again_unless_asked_for()
    {
        Write(""" "runs": [ { "name": "topk-4", "architecture": "topk", "k": 4 }, { "name": "gated", "architecture": "gated" } ] """);
        string table = Figures(Json("train", sweep, "--json"));
        string[] evaluate = ["evaluate", output, "--text", heldOut, "--sequence-length", "32", "--layer-sweep", "false", "--json"];
        File.Delete(Path.Combine(output, "gated", "report.json"));
        string Again(params string[] more)
        {
            var (code, json, error) = Invoke(CancellationToken.None, [.. evaluate, .. more]);
            Assert.True(code == 0, error);
            var rows = JsonDocument.Parse(json).RootElement;
            Assert.Equal(table.Split('\n').Order(), Figures(rows).Split('\n').Order());
            Assert.All(rows.EnumerateArray(), row => Assert.StartsWith("article's protocol", row.GetProperty("conditions").GetString(), StringComparison.Ordinal));
            return error;
        }
        string one = Again();
        Assert.Contains("evaluate topk-4: measured already", one, StringComparison.Ordinal);
        Assert.DoesNotContain("evaluate gated: measured already", one, StringComparison.Ordinal);
        Assert.Contains("evaluate gated: measured already", Again(), StringComparison.Ordinal);
        Assert.DoesNotContain("measured already", Again("--again"), StringComparison.Ordinal);
        Assert.DoesNotContain("measured already", Invoke(CancellationToken.None, [.. evaluate, "--max-contexts", "5"]).Error, StringComparison.Ordinal); // other options
    }

    [Fact]
    public void Seeds_become_one_row_of_means_and_sample_standard_deviations()
    {
        Write(""" "runs": [ { "name": "topk-4", "architecture": "topk", "k": 4 }, { "name": "topk-8", "architecture": "topk", "k": 8 } ], "grid": { "seed": [0, 7, 9] } """);
        var row = Json("train", sweep, "--json").EnumerateArray().First();
        Assert.Equal("topk-4", row.GetProperty("name").GetString());
        Assert.Equal([0, 7, 9], row.GetProperty("seeds").EnumerateArray().Select(s => s.GetInt64()));
        double[] each = [.. row.GetProperty("folders").EnumerateArray().Select(f =>
            JsonDocument.Parse(File.ReadAllText(Path.Combine(f.GetString()!, "report.json"))).RootElement.GetProperty("ce_spliced").GetDouble())];
        double mean = each.Sum() / 3, spread = Math.Sqrt(each.Sum(v => Math.Pow(v - mean, 2)) / 2);
        Assert.Equal(mean, row.GetProperty("mean").GetProperty("ce_spliced").GetDouble(), 1e-12);
        Assert.Equal(spread, row.GetProperty("spread").GetProperty("ce_spliced").GetDouble(), 1e-12);
        Assert.True(spread > 0);
        Assert.Equal(0, row.GetProperty("spread").GetProperty("ce_clean").GetDouble(), 1e-12);
        var (_, table, _) = Invoke(CancellationToken.None, "evaluate", output, "--text", heldOut, "--sequence-length", "32", "--layer-sweep", "false");
        Assert.Contains("±", table, StringComparison.Ordinal);
        Assert.DoesNotContain("…", table, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ }", "evaluate has no \"text\"")]
    [InlineData("""{ "text": "nowhere.txt" }""", "evaluate.text: There is no file or folder 'nowhere.txt'")]
    [InlineData("""{ "text": "HELD", "max_context": 3 }""", "Did you mean 'max_contexts'?")]
    [InlineData("""{ "text": "HELD", "max_contexts": 0 }""", "max_contexts is 0; it must be 1 or more")]
    [InlineData("""{ "text": "HELD", "out": "here" }""", "evaluate.out is given; each SAE of the sweep has its own")]
    [InlineData("3", "evaluate is 3; expected an object with the options of 'parsimony evaluate'")]
    public void What_is_wrong_with_the_evaluation_is_said_before_anything_begins(string evaluate, string says)
    {
        Write(""" "grid": { "seed": [1] } """, evaluate.Replace("HELD", heldOut, StringComparison.Ordinal));
        var (code, _, error) = Invoke(CancellationToken.None, "train", sweep);
        Assert.Equal(2, code);
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(output));
    }

    public static TheoryData<string> Recipes => [.. Directory.GetFiles(Path.Combine(Shared.RepositoryRoot(), "recipes"), "*.json").Select(f => Path.GetFileName(f)!)];

    [Theory]
    [MemberData(nameof(Recipes))]
    public void Every_recipe_is_a_sweep_whose_files_are_there_and_an_unknown_key_in_it_fails(string recipe)
    {
        string root = Shared.RepositoryRoot();
        string Here(string json) => json.Replace("assets/", $"{root}/assets/", StringComparison.Ordinal);
        string text = Here(File.ReadAllText(Path.Combine(root, "recipes", recipe)));
        File.WriteAllText(sweep, text);
        var read = SweepFile.Read(sweep, (json, source) => Parsimony.Files.Json.Parse<TrainOptions>(json, source).Validated());
        Assert.NotEmpty(read.Members);
        Assert.True(File.Exists(read.Common.Text) && File.Exists(Path.Combine(read.Common.Model!, "config.json")));
        File.WriteAllText(sweep, text.Replace("\"learning_rate\"", "\"lerning_rate\"", StringComparison.Ordinal));
        var (code, _, error) = Invoke(CancellationToken.None, "train", sweep, "--out", output);
        Assert.Equal(2, code);
        Assert.Contains("Did you mean 'learning_rate'?", error, StringComparison.Ordinal);
    }

    private static string Figures(JsonElement rows) => string.Join('\n', rows.EnumerateArray().Select(r =>
        $"{r.GetProperty("name")} {r.GetProperty("mean").GetProperty("ce_spliced")} {r.GetProperty("mean").GetProperty("explained_variance")} {r.GetProperty("mean").GetProperty("l0")}"));

    private void Write(string what, string? evaluate = null) => File.WriteAllText(sweep, JsonSerializer.Serialize(new
    {
        model,
        text,
        @out = output,
        sequence_length = 32,
        buffer = new { batch_tokens = 128, buffer_tokens = 1024 },
        sae = new { training_tokens = 1280, log_every_steps = 4, checkpoint_every_steps = 5, expansion_factor = 4, learning_rate = 0.001 },
    })[..^1] + $", \"evaluate\": {evaluate ?? JsonSerializer.Serialize(new { text = heldOut, sequence_length = 32, layer_sweep = false })}, {what} }}");
}
