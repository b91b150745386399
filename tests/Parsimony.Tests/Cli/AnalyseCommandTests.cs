using System.Text.Json;
using Parsimony.FineTuning.Analysis;
using Parsimony.Reporting;
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
        JsonElement Dpo(params string[] more) => Json(["dpo", run, "--data", pairs, "--steps", "8", "--batch-size", "4", "--learning-rate", "0.05", "--held-out-fraction", "0.3", "--json", .. more]);
        string lora = Path.Combine(folder, "lora");
        Dpo();
        var itself = Dpo("--method", "lora", "--null-run", "false", "--out", lora).GetProperty("dpo");
        var report = Json(["analyse", run, "--against", Alone(RunFolder.At(lora).DpoAdapter), .. Quickly]);
        Sound(report, "held-out preference loss");
        double Loss(string when) => itself.GetProperty(when).GetProperty("loss").GetDouble();
        Assert.Equal(Loss("before") - Loss("after"), Points(report)["lora"].Gain, 1e-5);
    }

    [Fact]
    public void An_adapter_without_its_run_is_measured_and_gains_what_its_run_says()
    {
        JsonElement Finetune(params string[] more) =>
            Json(["finetune", run, "--data", text, "--steps", "10", "--learning-rate", "0.05", "--sequence-length", "16", "--held-out-fraction", "0.02", "--json", .. more]);
        string lora = Path.Combine(folder, "lora");
        var dials = Finetune().GetProperty("finetune");
        var other = Finetune("--method", "lora", "--null-run", "false", "--out", lora).GetProperty("finetune");
        string alone = Alone(RunFolder.At(lora).Adapter);
        var report = Json(["analyse", run, "--against", alone, "--held-out", text, .. Quickly]);
        var points = Points(report);
        Assert.All([(points["dials"], dials), (points["lora"], other)], p =>
        {
            Assert.Equal(p.Item2.GetProperty("heldout_before").GetDouble() - p.Item2.GetProperty("heldout_after").GetDouble(), p.Item1.Gain, 1e-5);
            Assert.Equal(p.Item2.GetProperty("trainable_parameters").GetInt64(), p.Item1.TrainableParameters);
            Assert.True(p.Item1.Kl > 0);
        });
        var price = report.GetProperty("analysis").GetProperty("price");
        Assert.Equal(price.GetProperty("perplexity_after").GetDouble(), points["dials"].Cost, 1e-3);
        Assert.Equal(price.GetProperty("kl").GetDouble(), points["dials"].Kl!.Value, 1e-6);
        Assert.NotEqual(price.GetProperty("perplexity_after").GetDouble(), points["lora"].Cost);
        Assert.Contains("Methods in numbers", File.ReadAllText(Path.Combine(run, "report.html")), StringComparison.Ordinal);
        Assert.Contains("is neither an adapter folder nor a run folder", Fail(1, "analyse", run, "--against", folder), StringComparison.Ordinal);
    }

    /// <summary>An adapter folder taken out of its run.</summary>
    private string Alone(string adapter)
    {
        string alone = Path.Combine(folder, "alone");
        Directory.Move(adapter, alone);
        return alone;
    }

    private static Dictionary<string, ParetoPoint> Points(JsonElement report) =>
        report.GetProperty("analysis").GetProperty("pareto").Deserialize<List<ParetoPoint>>(Parsimony.Files.Json.Options)!.ToDictionary(p => p.Name);

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
        var reported = Points(report)["lora"];
        Assert.Equal(reported with { Dominated = false }, Points(Json(["analyse", run, "--against", Alone(RunFolder.At(lora).RlhfAdapter), .. Quickly]))["lora"] with { Dominated = false });
    }
}
