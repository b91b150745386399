using System.Text.Json;
using Parsimony.Cli;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>The stages as commands, one after another, on a tiny model: train, evaluate, finetune, report, generate.</summary>
public sealed class StageCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;
    private readonly string model, text, run;

    public StageCommandTests()
    {
        model = SomeFolder.Model(Path.Combine(folder, "model"));
        text = Path.Combine(folder, "text.txt");
        run = Path.Combine(folder, "run");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Text_becomes_an_SAE_a_measurement_an_adapter_a_report_and_a_continuation()
    {
        var trained = Json(Train());
        Assert.Equal(64, trained.GetProperty("d_sae").GetInt32());
        Assert.Equal(5120, trained.GetProperty("tokens_seen").GetInt64());

        var measured = Json("evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "8", "--json");
        Assert.Equal(3, measured.GetProperty("layer_sweep").GetArrayLength());
        Assert.Equal(8 * 32, measured.GetProperty("evaluated_tokens").GetInt64());
        Assert.False(measured.GetProperty("held_out").GetBoolean()); // the text it was trained on
        Assert.Equal(measured.GetProperty("ce_spliced").GetDouble(), measured.GetProperty("layer_sweep")[1].GetProperty("ce_spliced").GetDouble(), 1e-6);

        var tuned = Json(Finetune()).GetProperty("finetune");
        Assert.Equal(128, tuned.GetProperty("trainable_parameters").GetInt64());
        Assert.True(tuned.GetProperty("heldout_after").GetDouble() < tuned.GetProperty("heldout_before").GetDouble());

        var report = Json("report", run, "--max-contexts", "8", "--features", "3", "--max-new-tokens", "5", "--json");
        Assert.Equal(3, report.GetProperty("features").GetArrayLength());
        Assert.StartsWith("<!DOCTYPE html>", File.ReadAllText(Path.Combine(run, "report.html")), StringComparison.Ordinal);

        var words = Json("generate", "The hen", "--sae", run, "--max-new-tokens", "4", "--json");
        Assert.NotEmpty(words.GetProperty("continuations")[0].GetProperty("tokens").EnumerateArray());
        Assert.Equal(["evaluate", "finetune", "index", "report", "train"], JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "config.json")))
            .RootElement.EnumerateObject().Select(p => p.Name).Order());
    }

    [Fact]
    public void A_finished_run_is_not_trained_again_and_other_options_are_refused()
    {
        Json(Train());
        byte[] weights = File.ReadAllBytes(Path.Combine(run, "sae", "sae_weights.safetensors"));
        Json(Train());
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(run, "sae", "sae_weights.safetensors")));
        string error = Fail(1, [.. Train(), "--l1-coefficient", "0.5"]);
        Assert.Contains("sae.l1_coefficient was 0.01, is now 0.5", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_interrupted_and_repeated_is_bit_equal_to_one_that_never_stopped()
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        var (code, _, error) = Invoke(stop.Token, Train());
        Assert.Equal(App.InterruptedCode, code);
        Assert.Contains("the same command goes on from it", error, StringComparison.Ordinal);
        Json(Train());
        string other = Path.Combine(folder, "other");
        Json([.. Train().Select(a => a == run ? other : a)]);
        Assert.Equal(File.ReadAllBytes(Path.Combine(other, "sae", "sae_weights.safetensors")), File.ReadAllBytes(Path.Combine(run, "sae", "sae_weights.safetensors")));
    }

    [Fact]
    public void An_SAE_is_refused_at_another_hook_and_on_another_model()
    {
        Json(Train());
        Assert.Contains("was trained at blocks.1.mlp_out, not at blocks.0.mlp_out",
            Fail(1, "evaluate", run, "--text", text, "--sequence-length", "32", "--hook", "blocks.0.mlp_out"), StringComparison.Ordinal);
        string neox = Shared.Path("fixtures/neox_parallel");
        File.Copy(Path.Combine(model, "tokenizer.json"), Path.Combine(Copy(neox), "tokenizer.json"));
        Assert.Contains("width", Fail(1, "evaluate", run, "--text", text, "--model", Path.Combine(folder, "copy")), StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_is_refused_on_another_SAE()
    {
        Json(Train());
        Json(Finetune());
        string other = Path.Combine(folder, "other");
        Json([.. Train().Select(a => a == run ? other : a), "--seed", "5"]);
        Assert.Contains("the adapter was trained on SAE", Fail(1, "generate", "The", "--sae", other, "--adapter", Path.Combine(run, "adapter")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("blocks.9.mlp_out", "layers 0 to 2")]
    [InlineData("layer1.mlp", "is not a hook point")]
    public void A_hook_the_model_lacks_is_refused(string hook, string says) =>
        Assert.Contains(says, Fail(null, "train", "--model", model, "--text", text, "--out", run, "--hook", hook), StringComparison.Ordinal);

    [Fact]
    public void Text_shorter_than_a_context_is_refused()
    {
        File.WriteAllText(text, "Too short.");
        Assert.Contains("one context needs 32", Fail(1, Train()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_is_no_run_is_refused() =>
        Assert.Contains("is not a run folder", Fail(1, "report", folder), StringComparison.Ordinal);

    private string[] Train() =>
    [
        "train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "4",
        "--training-tokens", "5120", "--batch-tokens", "128", "--learning-rate", "1e-3", "--json",
    ];

    private string[] Finetune() =>
    [
        "finetune", run, "--data", text, "--sequence-length", "32", "--steps", "20", "--batch-size", "4", "--learning-rate", "0.02",
        "--held-out-fraction", "0.2", "--json",
    ];

    private string Copy(string from)
    {
        string to = Directory.CreateDirectory(Path.Combine(folder, "copy")).FullName;
        foreach (string file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        return to;
    }
}
