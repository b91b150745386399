using System.Text.Json;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony analyse</c> after each way of learning, on a tiny model.</summary>
public sealed class AnalyseCommandTests : IDisposable
{
    private static readonly string[] Quickly = ["--null-runs", "2", "--examples", "8", "--continuations", "16", "--leave-one-out", "2", "--random-controls", "1", "--doses", "3", "--json"];
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string run, text, pairs, prompts, words;

    public AnalyseCommandTests()
    {
        string model = SomeFolder.Model(Path.Combine(folder, "model"));
        string File(string name) => Path.Combine(folder, name);
        (text, pairs, prompts, words, run) = (File("text.txt"), File("pairs.jsonl"), File("prompts.txt"), File("words.txt"), File("run"));
        System.IO.File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        System.IO.File.WriteAllLines(pairs, Enumerable.Range(0, 20).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", chosen = " laid eggs", rejected = " SLEPT" })));
        System.IO.File.WriteAllText(prompts, string.Concat(Enumerable.Range(0, 10).Select(i => $"The {i}th hen\n")));
        System.IO.File.WriteAllLines(words, "abcdefghijklmnopqrstuvwxyz".Select(c => c.ToString()));
        Json("train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "2",
            "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static void Sound(JsonElement report, string objective)
    {
        var a = report.GetProperty("analysis");
        Assert.Equal(objective, a.GetProperty("objective").GetString());
        Assert.NotEmpty(a.GetProperty("sentences").EnumerateArray());
        var ledger = a.GetProperty("ledger");
        double change = ledger.GetProperty("change").GetDouble();
        Assert.Equal(a.GetProperty("tuned").GetProperty("total").GetDouble() - a.GetProperty("reference").GetProperty("total").GetDouble(), change, 1e-9);
        Assert.InRange(Math.Abs(ledger.GetProperty("residual").GetDouble()), 0, 0.01);
        Assert.Equal(2, a.GetProperty("null").GetProperty("runs").GetInt32());
    }

    [Fact]
    public void Fine_tuning_is_analysed_on_its_held_out_loss()
    {
        Json("finetune", run, "--data", text, "--steps", "10", "--learning-rate", "0.05", "--sequence-length", "16", "--json");
        Sound(Json(["analyse", run, "--held-out", text, .. Quickly]), "held-out loss");
        Assert.True(Directory.Exists(Path.Combine(run, "finetune-null-2")));
        string page = File.ReadAllText(Path.Combine(run, "report.html"));
        Assert.Contains("<h2>What changed</h2>", page, StringComparison.Ordinal);
        Assert.Contains("has no dials learned by rlhf; it has some by: finetune", Fail(1, "analyse", run, "--of", "rlhf"), StringComparison.Ordinal);
    }

    [Fact]
    public void Dials_at_some_positions_and_at_two_hook_points_are_analysed_as_they_were_learned()
    {
        string upper = Path.Combine(folder, "upper"), completions = Path.Combine(folder, "completions.jsonl");
        File.WriteAllLines(completions, Enumerable.Range(0, 40).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", completion = $" laid {i * 7 % 13} eggs." })));
        Json("train", "--model", Path.Combine(folder, "model"), "--text", text, "--out", upper, "--hook", "blocks.1.resid_post", "--sequence-length", "32", "--expansion-factor", "2",
            "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
        Json("finetune", run, upper, "--data", completions, "--positions", "response", "--steps", "10", "--learning-rate", "0.05", "--sequence-length", "32", "--json");
        var report = Json(["analyse", run, .. Quickly]);
        Sound(report, "held-out loss");
        var (first, second) = (report.GetProperty("analysis"), Assert.Single(report.GetProperty("further_analyses").EnumerateArray()));
        Assert.Equal((report.GetProperty("hook").GetString(), "blocks.1.resid_post"), (first.GetProperty("hook").GetString(), second.GetProperty("hook").GetString()));
        Assert.Equal("blocks.1.resid_post", Assert.Single(first.GetProperty("beside").EnumerateArray()).GetString());
        var hooks = report.GetProperty("joint_ledger").GetProperty("hooks").EnumerateArray().ToList();
        Assert.Equal(1, hooks.Sum(h => h.GetProperty("share").GetDouble()), 0.01);
        string page = File.ReadAllText(Path.Combine(run, "report.html"));
        Assert.All((string[])["What changed, in all</h2>", "What changed at blocks.1.resid_post</h2>"], heading => Assert.Contains(heading, page, StringComparison.Ordinal));
    }

    [Fact]
    public void Preferences_are_analysed_on_their_held_out_pairs()
    {
        Json("dpo", run, "--data", pairs, "--steps", "8", "--batch-size", "4", "--learning-rate", "0.05", "--held-out-fraction", "0.3", "--json");
        Sound(Json(["analyse", run, .. Quickly]), "held-out preference loss");
    }

    [Fact]
    public void Rewards_are_analysed_on_what_the_model_says_and_stand_beside_other_methods()
    {
        string[] Rlhf(params string[] more) => ["rlhf", run, "--prompts", prompts, "--lexicon", words, "--held-out", text, "--steps", "3", "--batch-size", "8", "--max-new-tokens", "6",
            "--continuations", "24", "--learning-rate", "0.05", "--json", .. more];
        string lora = Path.Combine(folder, "lora");
        Json(Rlhf());
        Json(Rlhf("--method", "lora", "--null-run", "false", "--out", lora));
        var report = Json(["analyse", run, "--against", lora, .. Quickly]);
        Sound(report, "reward");
        var points = report.GetProperty("analysis").GetProperty("pareto").EnumerateArray().ToList();
        Assert.Equal(["dials", "lora"], points.Select(p => p.GetProperty("name").GetString()));
        Assert.Contains("has no dials learned by finetune, dpo or rlhf; it has some by: none", Fail(1, "analyse", lora), StringComparison.Ordinal);
    }
}
