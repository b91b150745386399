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

    [Fact]
    public void A_folder_of_llama2c_is_a_model_folder()
    {
        string model = Shared.Path("data/stories260K");
        using var folder = new TemporaryFolder();
        string text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("Lily had a red ball. She was happy.\n", 60)));
        Assert.Equal(260_032, Json("inspect", model, "--json").GetProperty("parameters").GetInt64());
        Assert.StartsWith(", there was a little girl named Lily.", Json("generate", "Once upon a time", "--model", model, "--temperature", "0", "--max-new-tokens", "13", "--json")
            .GetProperty("continuations")[0].GetProperty("text").GetString(), StringComparison.Ordinal);
        Assert.Equal(128, Json("train", "--model", model, "--text", text, "--out", folder.File("run"), "--hook", "blocks.2.mlp_out", "--sequence-length", "32",
            "--expansion-factor", "2", "--training-tokens", "512", "--batch-tokens", "128", "--json").GetProperty("d_sae").GetInt32());
    }
}
