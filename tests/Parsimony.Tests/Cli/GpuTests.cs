using System.Text.Json;
using Parsimony.Exploration.Index;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>What a GPU reports is what the processor reports. Skipped where libtorch sees no GPU, as on the machines that run every test (docs/training.md says where it was run).</summary>
public sealed class GpuTests : IDisposable
{
    private static readonly string[] OfTheClock = ["seconds", "per_second", "date", "version", "command"];

    private readonly TemporaryFolder folder = new();
    private readonly string model, text, pairs, prompts, words;

    public GpuTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        (text, pairs, prompts, words) = (folder.File("text.txt"), folder.File("pairs.jsonl"), folder.File("prompts.txt"), folder.File("words.txt"));
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        File.WriteAllLines(pairs, Enumerable.Range(0, 20).Select(i => JsonSerializer.Serialize(new { prompt = $"The {i}th hen", chosen = " laid eggs", rejected = " SLEPT" })));
        File.WriteAllLines(prompts, Enumerable.Range(0, 16).Select(i => $"The {i}th hen"));
        File.WriteAllText(words, "a\nhen\negg\n");
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_SAE_of_every_architecture_and_of_every_storage_of_the_model_learns_the_same()
    {
        foreach (string architecture in (string[])["standard", "topk", "batchtopk", "matryoshka_batchtopk", "jumprelu", "gated"])
        {
            string[] k = architecture.EndsWith("topk", StringComparison.Ordinal) ? ["--k", "8"] : [];
            OnBoth(to => [.. Train(to), "--architecture", architecture, .. k]);
        }
        foreach (string weights in (string[])["bf16", "int8", "nf4"]) OnBoth(to => [.. Train(to), "--weights", weights], tolerance: 0.01);
    }

    [Fact]
    public void What_is_made_of_an_SAE_is_the_same()
    {
        EnsureGpu();
        string run = folder.File("run");
        Json([.. Train(run), "--json"]);
        OnBoth(to => ["evaluate", run, "--text", text, "--sequence-length", "32", "--out", to]);
        OnBoth(to => ["finetune", run, "--data", text, "--steps", "12", "--sequence-length", "32", "--learning-rate", "0.02", "--positions", "response", "--group-lasso", "0.01",
            "--freeze-latents", "1", "--null-run", "false", "--out", to]);
        foreach (string method in (string[])["lora", "ia3", "bias", "neurons", "steering", "full", "random_dictionary"])
            OnBoth(to => ["finetune", run, "--data", text, "--steps", "3", "--sequence-length", "32", "--null-run", "false", "--method", method, "--out", to]);
        OnBoth(to => ["dpo", run, "--data", pairs, "--steps", "6", "--batch-size", "4", "--null-run", "false", "--out", to]);
        foreach (string algorithm in (string[])["ppo", "grpo", "rloo"])
            OnBoth(to => ["rlhf", run, "--prompts", prompts, "--lexicon", words, "--held-out", text, "--algorithm", algorithm, "--steps", "3", "--batch-size", "8", "--max-new-tokens", "6",
                "--continuations", "24", "--null-run", "false", "--out", to]);
        OnBoth(to => ["reward-model", "--data", pairs, "--model", model, "--out", to]);
        OnBoth(_ => ["generate", "The hen", "--model", model, "--max-new-tokens", "12"]);
        var (here, there) = OnBoth(to => ["index", run, "--max-tokens", "2048", "--measured-latents", "5", "--out", to]);
        using FeatureIndex ours = FeatureIndex.Open(Path.Combine(here, "index")), gpus = FeatureIndex.Open(Path.Combine(there, "index"));
        Assert.Equal(ours.Fired.ToArray(), gpus.Fired.ToArray());
        OnBoth(_ => ["label", here, "--again"]);
    }

    private string[] Train(string to) =>
        ["train", "--model", model, "--text", text, "--out", to, "--sequence-length", "32", "--d-sae", "48", "--training-tokens", "2560", "--batch-tokens", "128"];

    private static void EnsureGpu() => Assert.SkipUnless(torch.cuda.is_available(), "no GPU that this libtorch can use");

    /// <summary>Runs a command here and there, and compares what it prints.</summary>
    /// <param name="command">Its line for a folder.</param>
    /// <param name="tolerance">Of a number, relative to it where it is above 1.</param>
    /// <returns>Both folders.</returns>
    private (string Here, string There) OnBoth(Func<string, string[]> command, double tolerance = 1e-3)
    {
        EnsureGpu();
        string here = folder.File(Guid.NewGuid().ToString("N")), there = folder.File(Guid.NewGuid().ToString("N"));
        var (one, other) = (Json([.. command(here), "--json"]), Json([.. command(there), "--device", "cuda", "--json"]));
        Compare(one, other, command(here)[0], tolerance);
        return (here, there);
    }

    private static void Compare(JsonElement one, JsonElement other, string name, double tolerance)
    {
        if (OfTheClock.Any(name.Contains)) return;
        Assert.True(one.ValueKind == other.ValueKind, $"{name}: {one} and {other}");
        if (one.ValueKind is JsonValueKind.Object)
            foreach (var p in one.EnumerateObject()) Compare(p.Value, other.GetProperty(p.Name), $"{name}.{p.Name}", tolerance);
        else if (one.ValueKind is JsonValueKind.Array)
            foreach (var (a, b) in one.EnumerateArray().Zip(other.EnumerateArray())) Compare(a, b, name, tolerance);
        else if (one.ValueKind is JsonValueKind.Number && one.GetDouble() is var x && other.GetDouble() is var y)
            Assert.True(Math.Abs(x - y) <= tolerance * Math.Max(1, Math.Abs(x)), $"{name}: {x} here, {y} on the GPU");
    }
}
