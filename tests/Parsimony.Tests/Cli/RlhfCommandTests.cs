using System.Text.Json;
using Parsimony.Cli;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>parsimony rlhf</c> on a tiny model.</summary>
public sealed class RlhfCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string model, run, text, prompts, words;

    public RlhfCommandTests()
    {
        model = SomeFolder.Model(Path.Combine(folder, "model"));
        (text, prompts, words, run) = (Path.Combine(folder, "text.txt"), Path.Combine(folder, "prompts.txt"), Path.Combine(folder, "words.txt"), Path.Combine(folder, "run"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllText(prompts, string.Concat(Enumerable.Range(0, 10).Select(i => $"The {i}th hen\n")));
        File.WriteAllLines(words, "abcdefghijklmnopqrstuvwxyz".Select(c => c.ToString()));
        Json("train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "4",
            "--training-tokens", "2048", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string[] Rlhf(params string[] more) =>
    [
        "rlhf", run, "--prompts", prompts, "--lexicon", words, "--held-out", text, "--steps", "3", "--batch-size", "8", "--max-new-tokens", "6",
        "--continuations", "24", "--json", .. more,
    ];

    [Theory]
    [InlineData("ppo")]
    [InlineData("rloo")]
    [InlineData("grpo")]
    public void Rewards_become_an_adapter_and_a_part_of_the_report(string algorithm)
    {
        string to = Path.Combine(folder, algorithm);
        var r = Json(Rlhf("--algorithm", algorithm, "--out", to)).GetProperty("rlhf");
        Assert.Equal(algorithm, r.GetProperty("algorithm").GetString());
        Assert.Equal((24, 128), (r.GetProperty("continuations").GetInt32(), r.GetProperty("trainable_parameters").GetInt32()));
        foreach (string hits in (string[])["hits_rewarded_before", "hits_rewarded_after", "hits_heldout_before", "hits_heldout_after", "null_hits_rewarded_after"])
        {
            double value = r.GetProperty(hits).GetDouble();
            var ends = r.GetProperty("intervals").GetProperty(hits);
            Assert.InRange(value, ends[0].GetDouble(), ends[1].GetDouble());
        }
        Assert.True(r.GetProperty("kl").GetDouble() > 0);
        Assert.True(r.GetProperty("perplexity_before").GetDouble() > 1 && r.GetProperty("perplexity_after").GetDouble() > 1);
        Assert.Equal(3, File.ReadLines(Path.Combine(to, "rlhf", "metrics.jsonl")).Count());
        Assert.Equal(12, File.ReadLines(Path.Combine(to, "rlhf", "samples.jsonl")).Count());
        var line = JsonDocument.Parse(File.ReadLines(Path.Combine(to, "rlhf", "metrics.jsonl")).First()).RootElement;
        Assert.Equal(algorithm == "ppo", line.TryGetProperty("explained_variance", out _));
        Assert.True(line.GetProperty("reward_parts").TryGetProperty("lexicon", out _));
        Json("generate", "The hen", "--sae", run, "--adapter", Path.Combine(to, "rlhf", "adapter"), "--max-new-tokens", "4", "--json");
    }

    [Theory]
    [InlineData("lora", 128)]
    [InlineData("neurons", 128)]
    [InlineData("random_dictionary", 128)]
    [InlineData("steering", 16)]
    public void A_baseline_learns_by_the_same_trainer_and_is_measured_alike(string method, int nearby)
    {
        string to = Path.Combine(folder, method);
        var r = Json(Rlhf("--method", method, "--null-run", "false", "--out", to)).GetProperty("rlhf");
        Assert.Equal(("ppo", method), (r.GetProperty("algorithm").GetString(), r.GetProperty("method").GetString()));
        Assert.InRange(r.GetProperty("trainable_parameters").GetInt64(), nearby / 2, 2 * nearby);
        Assert.True(r.GetProperty("kl").GetDouble() > 0);
        string adapter = Path.Combine(to, "rlhf", "adapter"), text1 = Said("--temperature", "0");
        var status = Json("adapter", "status", adapter, "--model", model, "--json");
        Assert.Equal((method is "random_dictionary" ? "dials" : method, r.GetProperty("trainable_parameters").GetInt64()),
            (status.GetProperty("status").GetProperty("method").GetString(), status.GetProperty("status").GetProperty("trainable_parameters").GetInt64()));
        Assert.True(status.GetProperty("results").TryGetProperty("hits_rewarded_after", out _));
        Assert.Equal(text1, Said("--temperature", "0", "--compare"));
        string Said(params string[] more) => Json(["generate", "The hen", "--adapter", adapter, "--model", model, "--max-new-tokens", "4", "--json", .. more]).GetProperty("continuations")[0].GetProperty("text").GetString()!;
        Assert.True(File.Exists(Path.Combine(to, "rlhf", "checkpoint.safetensors")));
    }

    [Theory]
    [InlineData("best_of_n", "--best-of", "3")]
    [InlineData("banned_words")]
    [InlineData("clamp", "--clamp-latent", "5", "--clamp-value", "2")]
    public void What_learns_nothing_is_measured_alike(string decoding, params string[] more)
    {
        string to = Path.Combine(folder, decoding);
        var r = Json(Rlhf(["--decoding", decoding, "--out", to, .. more])).GetProperty("rlhf");
        Assert.Equal((decoding, 0L, 0L), (r.GetProperty("algorithm").GetString(), r.GetProperty("steps").GetInt64(), r.GetProperty("trainable_parameters").GetInt64()));
        Assert.True(r.GetProperty("kl").GetDouble() > 0);
        if (decoding == "banned_words") Assert.Equal(0, r.GetProperty("hits_rewarded_after").GetDouble());
        Assert.Contains("clamp_latent is null; allowed: 0 or more", Fail(2, Rlhf("--decoding", "clamp")), StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupted_run_says_where_its_state_is_and_goes_on()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();
        var (code, _, error) = Invoke(source.Token, Rlhf());
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on from it", error, StringComparison.Ordinal);
        Json(Rlhf());
        Assert.Contains("policy.learning_rate was 0.001, is now 0.5", Fail(1, Rlhf("--learning-rate", "0.5")), StringComparison.Ordinal);
    }

    [Fact]
    public void Rewards_may_come_from_a_file_instead_of_a_word_list()
    {
        string config = Path.Combine(folder, "rewards.json");
        File.WriteAllText(config, """{"rewards": {"length": {"longest_tokens": 3}, "end_of_text": {"weight": 2}}}""");
        var r = Json("rlhf", run, "--prompts", prompts, "--config", config, "--steps", "1", "--batch-size", "4", "--max-new-tokens", "4", "--continuations", "4", "--null-run", "false", "--json");
        Assert.Equal(JsonValueKind.Null, r.GetProperty("rlhf").GetProperty("hits_rewarded_before").ValueKind);
        Assert.Equal(JsonValueKind.Null, r.GetProperty("rlhf").GetProperty("perplexity_before").ValueKind);
        Assert.Contains("lexicon is not given; allowed: a word list, or rewards in a --config file",
            Fail(2, "rlhf", run, "--prompts", prompts), StringComparison.Ordinal);
    }
}
