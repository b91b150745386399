using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Files;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

public sealed class HarvestCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, cache;

    public HarvestCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        text = folder.File("text.txt");
        cache = folder.File("cache");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_SAE_trained_on_an_exact_cache_without_text_and_model_is_the_one_trained_on_the_text()
    {
        var harvested = Json(Harvest("--precision", "fp32"));
        Assert.Equal(["blocks.1.mlp_out", "blocks.0.resid_post"], harvested.GetProperty("hooks").EnumerateArray().Select(h => h.GetString()));
        long tokens = harvested.GetProperty("tokens").GetInt64();
        Assert.InRange(harvested.GetProperty("bytes").GetInt64(), tokens * (16 + 16 + 2) * 4, tokens * (16 + 16 + 2) * 4 + 10_000);
        string fromCache = folder.File("from-cache"), fromText = folder.File("from-text");
        Json([.. Train(fromText), "--model", model, "--text", text, "--sequence-length", "32"]);
        File.Move(text, text + ".away");
        Directory.Move(model, model + "-away");
        var report = Json([.. Train(fromCache), "--cache", cache]);
        Assert.Equal(FileHash.Sha256(Path.Combine(fromText, "sae/sae_weights.safetensors")), report.GetProperty("sae_sha256").GetString());
        Assert.Equal(File.ReadAllText(Path.Combine(fromText, "sae/cfg.json")), File.ReadAllText(Path.Combine(fromCache, "sae/cfg.json")));
        Directory.Move(model + "-away", model);
        File.Move(text + ".away", text);
        Json("evaluate", fromCache, "--model", model, "--text", text, "--sequence-length", "32", "--max-contexts", "8", "--json");
    }

    [Fact]
    public void The_cache_of_another_model_or_hook_is_refused_and_so_is_nothing_to_train_on()
    {
        Json(Harvest());
        string other = SomeFolder.Model(folder.File("other"));
        byte[] weights = File.ReadAllBytes(Path.Combine(other, "model.safetensors"));
        weights[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(other, "model.safetensors"), weights);
        Assert.Contains("was harvested with another model", Fail(1, [.. Train("run"), "--cache", cache, "--model", other]), StringComparison.Ordinal);
        Assert.Contains("not at blocks.2.mlp_out", Fail(1, [.. Train("run"), "--cache", cache, "--hook", "blocks.2.mlp_out"]), StringComparison.Ordinal);
        Assert.Contains("the model's SHA-256 was", Fail(1, [.. Harvest().Select(a => a == model ? other : a)]), StringComparison.Ordinal);
        Assert.Contains("--model, --text must be given", Fail(2, Train("run")), StringComparison.Ordinal);
        Assert.Contains("--cache and --text both", Fail(2, [.. Train("run"), "--cache", cache, "--text", text]), StringComparison.Ordinal);
        Assert.Contains("it must be one context (32) or more", Fail(2, Harvest("--max-tokens", "31")), StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("run")));
    }

    [Fact]
    public void An_interrupted_harvest_says_how_to_go_on_and_does()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        var (code, _, error) = Invoke(stop.Token, Harvest());
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on after them", error, StringComparison.Ordinal);
        Assert.Equal(320, Json([.. Harvest("--max-tokens", "330").Select(a => a == cache ? folder.File("small") : a)]).GetProperty("tokens").GetInt64());
        Json(Harvest());
    }

    private string[] Harvest(params string[] more) =>
    [
        "harvest", "--model", model, "--text", text, "--hook", "blocks.1.mlp_out", "blocks.0.resid_post", "--out", cache, "--sequence-length", "32",
        "--shard-tokens", "2048", "--json", .. more,
    ];

    private static string[] Train(string run) =>
    [
        "train", "--out", run, "--expansion-factor", "4", "--training-tokens", "5120", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json",
    ];
}
