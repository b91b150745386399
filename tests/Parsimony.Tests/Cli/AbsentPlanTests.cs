using System.Text.Json;
using Parsimony.Cli;
using Parsimony.Models;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>What --plan says of models and texts that are not on this machine.</summary>
public sealed class AbsentPlanTests : IDisposable
{
    private const string Variable = "HF_HUB_CACHE";
    private readonly string? before = Environment.GetEnvironmentVariable(Variable);
    private readonly TemporaryFolder folder = new();

    public AbsentPlanTests() => Environment.SetEnvironmentVariable(Variable, folder.File("hub"));

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, before);
        folder.Dispose();
    }

    private string[] Train(string model = "EleutherAI/pythia-70m", string text = "Skylion007/openwebtext", int latents = 64, int sequenceLength = 32) =>
        ["train", "--model", model, "--text", text, "--out", folder.File("run"), "--d-sae", $"{latents}", "--batch-tokens", "128", "--sequence-length", $"{sequenceLength}",
            "--training-tokens", "2560", "--harvest-batch-contexts", "4", "--plan"];

    [Fact]
    public void A_model_that_was_not_pulled_is_planned_by_its_shape_and_nothing_is_written()
    {
        var plan = Json([.. Train(), "--hook", "blocks.3.mlp_out", "--json"]);
        var memory = plan.GetProperty("memory");
        Assert.Equal(4L * 50_304 * 512, memory.GetProperty("embedding").GetInt64());
        Assert.Equal(4L * 4 * (12 * 512 * 512 + 13 * 512), memory.GetProperty("layers 0 to 3").GetInt64());
        Assert.Equal(4L * (2 * 512 * 64 + 3 * 64 + 512), memory.GetProperty("SAE weights").GetInt64());
        Assert.Equal(2 * memory.GetProperty("SAE weights").GetInt64(), memory.GetProperty("optimiser moments").GetInt64());
        Assert.Equal(4 * 2560, memory.GetProperty("text").GetInt64());
        Assert.Equal(memory.EnumerateObject().Sum(p => p.Value.GetInt64()), plan.GetProperty("memory_bytes").GetInt64());
        Assert.True(plan.GetProperty("harvest_seconds").GetDouble() > 0 && plan.GetProperty("training_seconds").GetDouble() > 0);
        Assert.Contains("one layer of random weights", plan.GetProperty("harvest_measured_on").GetString(), StringComparison.Ordinal);
        var absent = plan.GetProperty("absent").EnumerateArray().ToList();
        Assert.Equal(["parsimony pull EleutherAI/pythia-70m", "parsimony pull Skylion007/openwebtext --dataset"], absent.Select(a => a.GetProperty("pull").GetString()));
        Assert.Equal(2 * 70_426_624, absent[0].GetProperty("bytes").GetInt64());
        Assert.Equal(JsonValueKind.Null, absent[1].GetProperty("bytes").ValueKind);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void People_are_told_the_command_that_fetches_it_what_was_measured_and_what_computed()
    {
        string said = Invoke(CancellationToken.None, Train(model: "pythia-70m-deduped")).Output;
        Assert.Contains("EleutherAI/pythia-70m-deduped is not on this machine: parsimony pull EleutherAI/pythia-70m-deduped, 141 MB", said, StringComparison.Ordinal);
        Assert.Contains("Times are measured on this machine as it is now", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shape_alone_has_the_memory_and_the_disk_of_the_model_itself()
    {
        string model = SomeFolder.Model(folder.File("model")), text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("A hen laid an egg.\n", 2560 / 19 + 1))[..2559]); // with the end of text 2,560 tokens
        var whole = Json([.. Train(model, text), "--json"]);
        File.Delete(Path.Combine(model, "model.safetensors"));
        var shape = Json([.. Train(model, text), "--json"]);
        Assert.Equal(whole.GetProperty("memory").GetRawText(), shape.GetProperty("memory").GetRawText());
        Assert.Equal(whole.GetProperty("disk_bytes").GetInt64(), shape.GetProperty("disk_bytes").GetInt64());
        Assert.Equal(0, whole.GetProperty("absent").GetArrayLength());
        Assert.Contains("no weights", shape.GetProperty("absent")[0].GetProperty("name").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_is_said_and_not_measured()
    {
        var (code, said, _) = Invoke(CancellationToken.None, Train("EleutherAI/pythia-12b", latents: 1_000_000_000));
        Assert.Equal(App.DoneCode, code);
        Assert.Contains("This does not fit in memory; it will be refused.", said, StringComparison.Ordinal);
        Assert.Contains("All of this is computed; no time was measured.", said, StringComparison.Ordinal);
        Assert.Contains("memory, SAE weights", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("EleutherAI/pythia-6.7b", "'EleutherAI/pythia-6.7b', which is not on this machine, and its shape is not known", "Did you mean 'pythia-6.9b'?")]
    [InlineData("no/such/folder", "is not on this machine", "Allowed: pythia-1.4b")]
    public void A_model_of_unknown_shape_is_refused_with_those_that_are_known(string model, string says, string suggests)
    {
        string error = Fail(App.UsageCode, Train(model));
        Assert.Contains(says, error, StringComparison.Ordinal);
        Assert.Contains(suggests, error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_shape_forbids_and_a_text_that_nobody_can_fetch_are_refused()
    {
        Assert.Contains("the model has layers 0 to 5", Fail(null, [.. Train(), "--hook", "blocks.6.mlp_out"]), StringComparison.Ordinal);
        Assert.Contains("it must be 2 to 2048", Fail(null, Train(sequenceLength: 4096)), StringComparison.Ordinal);
        Assert.Contains("There is no file or folder", Fail(null, Train(text: "openwebtxt.jsonl")), StringComparison.Ordinal);
        Assert.Contains("parsimony pull EleutherAI/pythia-70m", Fail(null, Train()[..^1]), StringComparison.Ordinal); // without --plan
    }

    [Fact]
    public void A_harvest_is_planned_too_once_it_is_said_how_many_tokens()
    {
        string[] harvest = ["harvest", "--model", "EleutherAI/pythia-70m", "--text", "Skylion007/openwebtext", "--hook", "blocks.0.mlp_out", "blocks.1.mlp_out",
            "--out", folder.File("cache"), "--harvest-batch-contexts", "4", "--plan"];
        Assert.Contains("--max-tokens", Fail(App.UsageCode, harvest), StringComparison.Ordinal);
        var plan = Json([.. harvest, "--max-tokens", "128000", "--json"]);
        Assert.Equal(128_000, plan.GetProperty("tokens").GetInt64());
        Assert.True(plan.GetProperty("disk_bytes").GetInt64() >= 128_000L * 2 * 512 * 2); // two hooks, bf16
        Assert.True(plan.GetProperty("harvest_seconds").GetDouble() > 0);
    }

    [Fact]
    public void A_sweep_and_a_file_with_one_SAE_are_planned_where_they_are_typed()
    {
        string file = folder.File("one.json");
        void Write(string more) => File.WriteAllText(file, $$"""
            { "model": "EleutherAI/pythia-70m", "text": "Skylion007/openwebtext", "sequence_length": 32, "out": "{{folder.File("run").Replace('\\', '/')}}",
              "buffer": { "batch_tokens": 128, "harvest_batch_contexts": 4 }, "sae": { "d_sae": 64, "training_tokens": 2560 }{{more}} }
            """);
        Write("");
        long one = Json("train", file, "--plan", "--json").GetProperty("memory").GetProperty("SAE weights").GetInt64();
        Write(", \"grid\": { \"seed\": [0, 1] }");
        Assert.Equal(2 * one, Json("train", file, "--plan", "--json").GetProperty("memory").GetProperty("SAE weights").GetInt64());
        Assert.Equal(one, Json("train", "--config", WithoutGrid(), "--plan", "--json").GetProperty("memory").GetProperty("SAE weights").GetInt64());

        string WithoutGrid()
        {
            Write("");
            return file;
        }
    }
}
