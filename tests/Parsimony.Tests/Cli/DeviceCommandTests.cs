using System.Text.Json.Nodes;
using Parsimony.Files;
using TorchSharp;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary><c>--device</c> on a machine without a GPU.</summary>
public sealed class DeviceCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text, run;

    public DeviceCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        text = folder.File("text.txt");
        run = folder.File("run");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Cpu_is_the_default_to_the_last_bit_and_is_in_the_runs_settings()
    {
        string said = folder.File("said");
        Json(Train(run));
        Json([.. Train(said), "--device", "cpu"]);
        foreach (string file in (string[])["sae/sae_weights.safetensors", "checkpoint.safetensors"])
            Assert.Equal(FileHash.Sha256(Path.Combine(run, file)), FileHash.Sha256(Path.Combine(said, file)));
        Assert.Equal("cpu", (string?)Config(run)["train"]!["device"]);
        Json("evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--device", "cpu", "--json");
        Json("harvest", "--model", model, "--text", text, "--out", folder.File("cache"), "--sequence-length", "32", "--device", "cpu", "--json");
    }

    [Theory]
    [InlineData("cuda")] // begun elsewhere
    [InlineData(null)]   // begun before there was a choice
    public void A_run_goes_on_though_its_settings_name_another_device(string? device)
    {
        Json(Train(run));
        var config = Config(run);
        if (device is null) config["train"]!.AsObject().Remove("device");
        else config["train"]!["device"] = device;
        File.WriteAllText(Path.Combine(run, "config.json"), config.ToJsonString());
        Json(Train(run));
        Assert.Equal("cpu", (string?)Config(run)["train"]!["device"]);
    }

    [Fact]
    public void A_device_that_is_not_there_or_none_at_all_is_one_sentence_before_anything_begins()
    {
        Assert.SkipWhen(torch.cuda.is_available(), "there is a GPU");
        string sweep = folder.File("sweep.json"), cache = folder.File("cache");
        File.WriteAllText(sweep, $$"""{ "model": "{{model}}", "text": "{{text}}", "out": "{{run}}", "sequence_length": 32, "grid": { "seed": [0, 1] } }""");
        string[] harvest = ["harvest", "--model", model, "--text", text, "--sequence-length", "32", "--out"];
        Json([.. harvest, cache, "--json"]);
        foreach (string[] command in (string[][])[Train(run), ["train", sweep], ["train", "--cache", cache, "--out", run], [.. harvest, run], ["evaluate", model, "--model", model, "--text", text],
            ["finetune", model, "--data", text, "--out", run], ["dpo", model, "--data", text, "--out", run], ["rlhf", model, "--prompts", text, "--lexicon", text, "--out", run],
            ["reward-model", "--data", text, "--model", model, "--out", run], ["generate", "The hen", "--model", model], ["bench", "gpu"]])
        {
            Assert.Contains("device is cuda, but there is no GPU", Fail(1, [.. command, "--device", "cuda"]), StringComparison.Ordinal);
            Assert.Contains("device is 'gpu'; allowed: cpu, cuda (the first GPU), cuda:N.", Fail(2, [.. command, "--device", "gpu"]), StringComparison.Ordinal);
            Assert.False(Directory.Exists(run));
        }
    }

    [Fact]
    public void The_SAEs_of_a_sweep_share_the_device()
    {
        string sweep = folder.File("sweep.json");
        File.WriteAllText(sweep, $$"""{ "model": "{{model}}", "text": "{{text}}", "out": "{{run}}", "grid": { "device": ["cpu", "cuda"] } }""");
        Assert.Contains("'device' is not a key in which SAEs of a sweep may differ", Fail(2, "train", sweep), StringComparison.Ordinal);
    }

    private static JsonNode Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;

    private string[] Train(string to) =>
    [
        "train", "--model", model, "--text", text, "--out", to, "--sequence-length", "32", "--expansion-factor", "4",
        "--training-tokens", "2560", "--batch-tokens", "128", "--json",
    ];
}
