using System.Text.Json;
using Parsimony.Cli;
using Parsimony.FineTuning.Rewards.Trained;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony reward-model</c> on a tiny model.</summary>
public sealed class RewardModelCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, pairs, labelled, run;

    public RewardModelCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        (pairs, labelled, run) = (folder.File("pairs.jsonl"), folder.File("labelled.jsonl"), folder.File("run"));
        File.WriteAllLines(pairs, Enumerable.Range(0, 60).Select(i => JsonSerializer.Serialize(new { prompt = $"{i} hens", chosen = " sang a", rejected = " ran z" })));
        File.WriteAllLines(labelled, Enumerable.Range(0, 60).Select(i => JsonSerializer.Serialize(new { text = $"{i} hens {(i % 2 == 0 ? "sang a" : "ran z")}", label = i % 2 == 0 ? "good" : "bad" })));
    }

    public void Dispose() => folder.Dispose();

    private string[] Command(string data, params string[] more) =>
        ["reward-model", "--data", data, "--model", model, "--out", run, "--learning-rate", "0.02", "--batch-size", "8", "--json", .. more];

    [Fact]
    public void Pairs_become_a_reward_that_rlhf_uses()
    {
        var r = Json(Command(pairs));
        Assert.Equal((54, 6, 17), (r.GetProperty("train_count").GetInt32(), r.GetProperty("held_out_count").GetInt32(), r.GetProperty("trainable_parameters").GetInt32()));
        Assert.Equal(1, r.GetProperty("held_out").GetProperty("accuracy").GetProperty("value").GetDouble());
        Assert.Equal(1, r.GetProperty("baseline").GetDouble());               // " sang a" is the longer one
        Assert.True(r.TryGetProperty("null_accuracy", out _));
        string at = Path.Combine(run, "reward-model");
        Assert.Equal(at, r.GetProperty("reward_model").GetString());
        Assert.Equal(["README.md", "checkpoint.safetensors", "metrics.jsonl", "reward_config.json", "reward_head.safetensors"], Directory.GetFiles(at).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
        var config = RewardHeadFolder.Load(run) is var (head, c) ? c : null;
        head.Dispose();
        Assert.Equal((true, 1.0, 64), (config!.ReadsPrompt, config.Results["held_out_accuracy"], config.SequenceLength));

        string text = folder.File("text.txt"), sae = folder.File("sae"), rewards = folder.File("rewards.json");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        Json("train", "--model", model, "--text", text, "--out", sae, "--sequence-length", "32", "--expansion-factor", "4", "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
        File.WriteAllText(rewards, JsonSerializer.Serialize(new { rewards = new { model = new { path = run, weight = 2 }, end_of_text = new { } } }));
        Json("rlhf", sae, "--prompts", text, "--config", rewards, "--steps", "1", "--batch-size", "4", "--max-new-tokens", "4", "--continuations", "4", "--null-run", "false", "--json");
        var line = JsonDocument.Parse(File.ReadLines(Path.Combine(sae, "rlhf", "metrics.jsonl")).First()).RootElement;
        Assert.True(line.GetProperty("reward_parts").TryGetProperty("model", out _));
    }

    [Fact]
    public void Labels_become_a_classifier_and_an_SAE_makes_it_readable()
    {
        string sae = SomeFolder.Sae(folder.File("sae"), model);
        var r = Json(Command(labelled, "--sae", sae, "--pooling", "mean", "--null-run", "false"));
        Assert.Equal(["bad", "good"], r.GetProperty("classes").EnumerateArray().Select(c => c.GetString()));
        Assert.Equal((24 + 1) * 2, r.GetProperty("trainable_parameters").GetInt32());
        Assert.Equal(JsonValueKind.Null, r.GetProperty("null_accuracy").ValueKind);
        Assert.True(r.GetProperty("latents").GetArrayLength() > 10);
        Assert.Equal("bad", r.GetProperty("latents")[0].GetProperty("class").GetString());
        var (code, output, _) = Invoke(default, [.. Command(labelled, "--sae", sae, "--pooling", "mean", "--null-run", "false").Where(a => a != "--json")]);
        Assert.Equal(App.DoneCode, code);
        Assert.Contains("held-out accuracy", output, StringComparison.Ordinal);
        Assert.Contains("adds on average", output, StringComparison.Ordinal);
        using var reward = new ModelReward(new() { Path = run, Class = "good" });
        var tokenizer = Parsimony.Tokens.Tokenizer.Load(model);
        Assert.True(double.IsFinite(reward.Score([new(tokenizer, "", tokenizer.Encode("7 hens sang a"))])[0].Value));
    }

    [Fact]
    public void An_interrupted_run_says_where_its_state_is_and_goes_on()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        var (code, _, error) = Invoke(source.Token, Command(pairs));
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on from it", error, StringComparison.Ordinal);
        Json(Command(pairs));
        Assert.Contains("head.margin was 0", Fail(1, Command(pairs, "--margin", "0.5")), StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_used_is_one_sentence()
    {
        Assert.Contains("--data must be given", Fail(2, "reward-model", "--model", model), StringComparison.Ordinal);
        Assert.Contains("epochs is 0; allowed: above 0", Fail(2, Command(pairs, "--epochs", "0")), StringComparison.Ordinal);
        Assert.Contains("layers 0 to 2", Fail(1, Command(pairs, "--hook", "blocks.7.resid_post")), StringComparison.Ordinal);
        Assert.Contains("There is no file", Fail(1, Command(folder.File("none.jsonl"))), StringComparison.Ordinal);
        File.WriteAllText(folder.File("held.jsonl"), "{\"text\": \"a\", \"label\": \"so-so\"}");
        Assert.Contains("'so-so' is no label of the training data", Fail(1, Command(labelled, "--held-out", folder.File("held.jsonl"))), StringComparison.Ordinal);
    }
}
