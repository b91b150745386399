using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.Cli;
using Parsimony.Models;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Cli;

/// <summary>Every command, in this process, with its output caught.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-test-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Doctor_says_that_all_is_well()
    {
        Assert.Contains("libtorch", Run(0, "doctor").Output, StringComparison.Ordinal);
        var json = JsonDocument.Parse(Run(0, "doctor", "--json").Output).RootElement;
        Assert.True(json.GetProperty("ok").GetBoolean());
        Assert.True(json.GetProperty("cores").GetInt32() > 0);
    }

    [Fact]
    public void Inspect_knows_a_sharded_model()
    {
        string model = Shared.Path("fixtures/neox_sharded");
        var json = JsonDocument.Parse(Run(0, "inspect", model, "--json").Output).RootElement;
        Assert.Equal("model", json.GetProperty("kind").GetString());
        Assert.Equal(64, json.GetProperty("config").GetProperty("hidden_size").GetInt32());
        using var weights = SafetensorsFolder.Open(model);
        Assert.Equal(weights.Sha256, json.GetProperty("sha256").GetString());
        Assert.Equal(weights.Names.Sum(n => weights.Shape(n).Aggregate(1L, (a, b) => a * b)), json.GetProperty("parameters").GetInt64());
        Assert.Contains("gpt_neox.layers.2.mlp.dense_4h_to_h.weight", Run(0, "inspect", model).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_knows_an_SAE_and_its_hook()
    {
        using var weights = zeros(4, 8);
        SafetensorsFile.Write(Path.Combine(folder, "sae_weights.safetensors"), [new("W_enc", weights)]);
        File.WriteAllText(Path.Combine(folder, "cfg.json"), """{"d_in": 4, "metadata": {"hook_name": "blocks.1.hook_mlp_out"}}""");
        var json = JsonDocument.Parse(Run(0, "inspect", folder, "--json").Output).RootElement;
        Assert.Equal(("SAE", "blocks.1.hook_mlp_out", 32), (json.GetProperty("kind").GetString(), json.GetProperty("hook").GetString(), json.GetProperty("parameters").GetInt64()));
        Assert.Contains("[4, 8]", Run(0, "inspect", folder).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_says_why_a_model_is_not_supported()
    {
        string model = SomeFolder.Model(folder);
        File.WriteAllText(Path.Combine(model, "config.json"), """{"model_type": "bloom"}""");
        Assert.Contains("model_type is 'bloom'; supported: gpt_neox", Run(0, "inspect", model).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_refuses_a_hostile_file_in_one_sentence()
    {
        string path = Shared.Path("data/safetensors-cases/attack_overlapping_offsets.safetensors");
        Assert.Contains("(InvalidOffset)", Run(1, "inspect", path).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Generate_is_repeatable_and_says_what_it_made()
    {
        string model = SomeFolder.Model(folder);
        string[] args = ["generate", "ab", "c", "--model", model, "--max-new-tokens", "5", "--seed", "4", "--json"];
        var (output, error) = Run(0, args);
        var json = JsonDocument.Parse(output).RootElement;
        Assert.Equal([5, 5], json.GetProperty("continuations").EnumerateArray().Select(c => c.GetProperty("tokens").GetArrayLength()));
        Assert.Equal(4, json.GetProperty("sampling").GetProperty("seed").GetInt64());
        Assert.StartsWith("generate  10/10 tokens in", error, StringComparison.Ordinal);
        Assert.Equal(json.GetProperty("continuations").ToString(), JsonDocument.Parse(Run(0, args).Output).RootElement.GetProperty("continuations").ToString());
    }

    [Fact]
    public void Generate_writes_one_text_as_it_comes()
    {
        string[] args = ["generate", "ab", "--model", SomeFolder.Model(folder), "--max-new-tokens", "5", "--temperature", "0"];
        string text = JsonDocument.Parse(Run(0, [.. args, "--json"]).Output).RootElement.GetProperty("continuations")[0].GetProperty("text").GetString()!;
        Assert.Equal($"ab{text}\n", Run(0, args).Output);
    }

    [Fact]
    public void Generate_puts_an_SAE_and_its_dials_into_the_model()
    {
        string model = SomeFolder.Model(Path.Combine(folder, "model")), sae = SomeFolder.Sae(Path.Combine(folder, "sae"), model);
        string adapter = SomeFolder.Adapter(Path.Combine(folder, "adapter"), model, sae);
        string[] args = ["generate", "ab", "--model", model, "--max-new-tokens", "20", "--temperature", "0"];
        string plain = Run(0, args).Output;
        Assert.Equal(plain, Run(0, [.. args, "--sae", sae, "--mode", "delta"]).Output);
        Assert.NotEqual(plain, Run(0, [.. args, "--sae", sae]).Output);
        Assert.NotEqual(plain, Run(0, [.. args, "--sae", sae, "--adapter", adapter]).Output);
        Assert.Contains("\"hook\": \"blocks.1.mlp_out\"", Run(0, "inspect", adapter, "--json").Output, StringComparison.Ordinal);

        string other = SomeFolder.Sae(Path.Combine(folder, "other"), model, dSae: 32);
        Run(1, [.. args, "--sae", other, "--adapter", adapter]);
        Assert.Equal(Run(0, [.. args, "--sae", sae, "--adapter", adapter]).Output, Run(0, [.. args, "--adapter", adapter]).Output); // it says where its SAE is
        Assert.Contains("width 16", Run(1, [.. args[..2], "--model", model, "--sae", WrongWidth()]).Error, StringComparison.Ordinal);
    }

    private string WrongWidth()
    {
        using var sae = StandardSae.Create(8, 16, seed: 1);
        SaeFolder.Save(Path.Combine(folder, "wide"), sae, new SaeMetadata { Hook = HookPoint.Parse("blocks.1.mlp_out"), ModelName = "m" });
        return Path.Combine(folder, "wide");
    }

    [Fact]
    public void Generate_stops_when_interrupted()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = App.Run(["generate", "ab", "--model", SomeFolder.Model(folder), "--max-new-tokens", "5"], output, error, new CancellationToken(canceled: true));
        Assert.Equal((130, "Interrupted.\n"), (code, error.ToString()));
    }

    [Fact]
    public void Generate_refuses_what_the_model_cannot_do()
    {
        string model = SomeFolder.Model(folder);
        Assert.Contains("the model was made for 64", Run(1, "generate", "ab", "--model", model, "--max-new-tokens", "500").Error, StringComparison.Ordinal);
        Assert.Equal("temperature is -1; it must be 0 (greedy) or more; top_p is 2; it must lie in (0, 1].\n",
            Run(2, "generate", "ab", "--model", model, "--temperature", "-1", "--top-p", "2").Error);
        File.Copy(Path.Combine(Shared.RepositoryRoot(), "assets", "demo", "tokenizer.json"), Path.Combine(model, "tokenizer.json"), overwrite: true);
        Assert.Contains("the model's embedding only 257 rows", Run(1, "generate", "ab", "--model", model).Error, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(model, "config.json"), """{"model_type": "bloom"}""");
        Assert.Contains("model_type is 'bloom'; supported: gpt_neox", Run(1, "generate", "ab", "--model", model).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "does not exist", "inspect", "/nope")]
    [InlineData(1, "is none of: a model", "inspect", "/")]
    [InlineData(2, "PATH must be given", "inspect")]
    [InlineData(2, "is not an option of doctor", "doctor", "--jason")]
    public void Bad_input_is_one_sentence(int code, string sentence, params string[] args) =>
        Assert.Contains(sentence, Run(code, args).Error, StringComparison.Ordinal);

    private static (string Output, string Error) Run(int expectedCode, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = App.Run(args, output, error);
        Assert.True(code == expectedCode, $"exit code {code}: {error}");
        if (code != 0) Assert.Equal(1, error.ToString().Count(c => c == '\n'));
        return (output.ToString(), error.ToString());
    }
}
