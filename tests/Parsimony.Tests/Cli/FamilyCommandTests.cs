using Parsimony.Tests.Models;
using Xunit;
using static Parsimony.Tests.Cli.CliRun;

namespace Parsimony.Tests.Cli;

/// <summary>The commands take a model folder of any family.</summary>
public sealed class FamilyCommandTests
{
    [Theory]
    [InlineData("gpt2", 64)]
    [InlineData("llama", 64)]
    [InlineData("qwen2", 64)]
    public void An_SAE_is_trained_measured_and_tuned_on_it(string family, int dSae)
    {
        using var folder = new TemporaryFolder();
        string model = SomeFamily.Folder(folder.File("model"), family), text = folder.File("text.txt"), run = folder.File("run");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 200).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        var trained = Json("train", "--model", model, "--text", text, "--out", run, "--sequence-length", "32", "--expansion-factor", "4",
            "--training-tokens", "1280", "--batch-tokens", "128", "--json");
        Assert.Equal(dSae, trained.GetProperty("d_sae").GetInt32());
        var measured = Json("evaluate", run, "--text", text, "--sequence-length", "32", "--max-contexts", "4", "--json");
        Assert.Equal(3, measured.GetProperty("layer_sweep").GetArrayLength());
        Json("finetune", run, "--data", text, "--sequence-length", "32", "--steps", "3", "--batch-size", "4", "--held-out-fraction", "0.2", "--json");
        Assert.NotEmpty(Json("generate", "The hen", "--sae", run, "--max-new-tokens", "4", "--json").GetProperty("continuations")[0].GetProperty("tokens").EnumerateArray());
        Assert.Equal("model", Json("inspect", model, "--json").GetProperty("kind").GetString());
    }
}
