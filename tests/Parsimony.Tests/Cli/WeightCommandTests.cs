using Parsimony.Models;
using Parsimony.Models.Storage;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>The storage of a model's weights, through the commands.</summary>
public sealed class WeightCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, text;

    public WeightCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
    }

    private string Train(string run, params string[] more)
    {
        Json(["train", "--model", model, "--text", text, "--out", folder.File(run), "--sequence-length", "32", "--training-tokens", "640", "--batch-tokens", "128", "--json", .. more]);
        return folder.File(run);
    }

    [Fact]
    public void An_SAE_is_used_with_the_weights_it_was_trained_on()
    {
        string run = Train("run", "--weights", "nf4");
        Assert.Contains("\"model_weights\": \"nf4\"", File.ReadAllText(Path.Combine(run, "sae/cfg.json")), StringComparison.Ordinal);
        double Plain(params string[] more) => Json(["evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--layer-sweep", "false", "--json", .. more])
            .GetProperty("ce_clean").GetDouble();
        double asTrained = Plain();
        Assert.Equal(asTrained, Plain("--weights", "nf4"));
        string refused = Fail(1, "evaluate", run, "--text", text, "--weights", "fp32");
        Assert.Contains("its weights in nf4; here they are in fp32", refused, StringComparison.Ordinal);
        Assert.Contains("Use --weights nf4, or train an SAE on fp32", refused, StringComparison.Ordinal);

        // The same numbers from a folder that was quantised once are the same model.
        string quantised = folder.File("nf4");
        ModelQuantiser.Write(model, WeightStorage.Nf4, quantised);
        Assert.Equal(asTrained, Plain("--model", quantised));
        Assert.Contains("cannot be had as int8", Fail(null, "evaluate", run, "--text", text, "--model", quantised, "--weights", "int8"), StringComparison.Ordinal);
    }

    [Fact]
    public void Fine_tuning_and_generating_keep_the_SAEs_storage()
    {
        string run = Train("run", "--weights", "int8");
        var tuned = Json("finetune", run, "--data", text, "--sequence-length", "32", "--steps", "2", "--batch-size", "2", "--held-out-fraction", "0.2", "--recompute", "true", "--json");
        Assert.True(double.IsFinite(tuned.GetProperty("finetune").GetProperty("heldout_after").GetDouble()));
        Json("generate", "The hen", "--sae", run, "--max-new-tokens", "2", "--json");
        Assert.Contains("its weights in int8", Fail(null, "generate", "The hen", "--sae", run, "--weights", "bf16"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_remembers_the_storage_it_was_harvested_with()
    {
        string cache = folder.File("cache");
        string[] harvest = ["harvest", "--model", model, "--text", text, "--out", cache, "--sequence-length", "32", "--max-tokens", "1024", "--json"];
        Json([.. harvest, "--weights", "bf16"]);
        Assert.Contains("weights was Bf16, is now Fp32", Fail(1, harvest), StringComparison.Ordinal);
        Json("train", "--cache", cache, "--out", folder.File("run"), "--training-tokens", "640", "--batch-tokens", "128", "--json");
        Assert.Contains("\"model_weights\": \"bf16\"", File.ReadAllText(folder.File("run/sae/cfg.json")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_memory_does_not_hold_is_streamed_and_said_to_be()
    {
        string run = Train("run");
        var (code, output, error) = Invoke(CancellationToken.None, "evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--layer-sweep", "false", "--weight-memory", "0", "--json");
        Assert.True(code == 0, error);
        Assert.Contains("read from the file each time", error, StringComparison.Ordinal);
        double held = Json("evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--layer-sweep", "false", "--json").GetProperty("ce_clean").GetDouble();
        Assert.Equal(held, System.Text.Json.JsonDocument.Parse(output).RootElement.GetProperty("ce_clean").GetDouble());
        Assert.Contains("weight_memory is 'lots'; it must be a size such as 6GiB", Fail(null, "evaluate", run, "--text", text, "--weight-memory", "lots"), StringComparison.Ordinal);
    }

    [Fact]
    public void Quantise_writes_a_folder_and_says_what_each_storage_costs()
    {
        string quantised = folder.File("out");
        var result = Json("quantise", model, "--weights", "nf4_dq", "--out", quantised, "--text", text, "--sequence-length", "32", "--max-contexts", "8", "--json");
        Assert.Equal(["fp32", "bf16", "fp16", "int8", "nf4", "nf4_dq"], result.GetProperty("losses").EnumerateArray().Select(l => l.GetProperty("weights").GetString()));
        double[] differences = [.. result.GetProperty("losses").EnumerateArray().Select(l => Math.Abs(l.GetProperty("difference").GetDouble()))];
        Assert.Equal(0, differences[0]);
        Assert.True(differences[1] < differences[4], string.Join(", ", differences));
        Assert.Equal("model", Json("inspect", quantised, "--json").GetProperty("kind").GetString());
        Json("generate", "The hen", "--model", quantised, "--max-new-tokens", "2", "--json");
        Assert.Contains("Give --out <folder>", Fail(2, "quantise", model), StringComparison.Ordinal);
    }

    public void Dispose() => folder.Dispose();
}
