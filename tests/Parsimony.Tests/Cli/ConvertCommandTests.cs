using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.Autoencoders.Formats;
using Parsimony.Cli;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using Xunit;

namespace Parsimony.Tests.Cli;

public sealed class ConvertCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, sae;

    public ConvertCommandTests()
    {
        model = SomeFolder.Model(folder.File("model"));
        sae = SomeFolder.Sae(folder.File("sae"), model);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_SAE_goes_to_another_format_and_back_bit_for_bit()
    {
        var there = Json("convert", sae, folder.File("dl"), "--to", "dictionary_learning", "--json");
        Assert.Equal(("saelens", "dictionary_learning", "standard", "blocks.1.mlp_out"), (there.GetProperty("from").GetString(), there.GetProperty("to").GetString(),
            there.GetProperty("architecture").GetString(), there.GetProperty("hook").GetString()));
        Assert.Equal(["ae.pt", "config.json"], there.GetProperty("files").EnumerateArray().Select(f => Path.GetFileName(f.GetString())));
        var back = Json("convert", folder.File("dl"), folder.File("back"), "--to", "saelens", "--json");
        Assert.Equal("blocks.1.mlp_out", back.GetProperty("hook").GetString());
        Assert.Equal(File.ReadAllBytes(Path.Combine(sae, "sae_weights.safetensors")), File.ReadAllBytes(folder.File("back/sae_weights.safetensors")));
    }

    [Fact]
    public void What_a_format_lacks_is_refused_and_what_it_leaves_out_is_said()
    {
        Assert.Contains("Fold b_dec into b_enc (--fold-b-dec)", Run(1, "convert", sae, folder.File("g"), "--to", "gemma_scope").Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("g")));
        string said = Run(0, "convert", sae, folder.File("g.npz"), "--to", "gemma_scope", "--fold-b-dec").Output;
        Assert.Contains("hook point and model", said, StringComparison.Ordinal);
        Assert.Contains("jumprelu with threshold 0", said, StringComparison.Ordinal);
        Assert.Contains("is there already", Run(1, "convert", sae, folder.File("g.npz"), "--to", "openai").Error, StringComparison.Ordinal);
        Assert.Contains("names no hook_name, and none was given", Run(1, "convert", folder.File("g.npz"), folder.File("s"), "--to", "saelens").Error, StringComparison.Ordinal);
        Assert.Contains("looked for: a SAELens folder", Run(1, "convert", model, folder.File("s"), "--to", "saelens").Error, StringComparison.Ordinal);
        Assert.Contains("saelens, dictionary_learning, sparsify, openai, gemma_scope, plain", Run(2, "convert", sae, folder.File("s"), "--to", "gguf").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_foreign_SAE_is_evaluated_where_its_hook_is_known_or_given()
    {
        File.WriteAllText(folder.File("text.txt"), string.Concat(Enumerable.Range(0, 60).Select(i => $"The {i}th hen laid {i * 7 % 13} eggs.\n")));
        string[] rest = ["--model", model, "--text", folder.File("text.txt"), "--sequence-length", "16", "--max-contexts", "4", "--layer-sweep", "false", "--json"];
        double ours = Json(["evaluate", sae, .. rest]).GetProperty("ce_spliced").GetDouble();
        Json("convert", sae, folder.File("dl"), "--to", "dictionary_learning", "--json");
        Json("convert", sae, folder.File("a.pt"), "--to", "openai", "--json");
        Assert.Equal(ours, Json(["evaluate", folder.File("dl"), .. rest]).GetProperty("ce_spliced").GetDouble());
        Assert.Equal(ours, Json(["evaluate", folder.File("a.pt"), "--hook", "blocks.1.mlp_out", .. rest]).GetProperty("ce_spliced").GetDouble());
        Assert.Contains("names no hook_name", Run(1, ["evaluate", folder.File("a.pt"), .. rest]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_transcoder_is_not_spliced_where_it_reads()
    {
        using var transcoder = Autoencoders.Formats.SomeKind.Make("transcoder", d: 16);
        SaeFolder.Save(folder.File("t"), transcoder, new SaeMetadata { Hook = Parsimony.Models.HookPoint.Parse("blocks.1.mlp_out"), ModelName = "m" });
        File.WriteAllText(folder.File("text.txt"), "hens");
        Assert.Contains("transcoder", Run(1, "evaluate", folder.File("t"), "--model", model, "--text", folder.File("text.txt")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_shows_files_of_every_format()
    {
        foreach (var (format, path) in ((string, string)[])[("dictionary_learning", "dl"), ("openai", "a.pt"), ("plain", "p.pt")])
        {
            Json("convert", sae, folder.File(path), "--to", format, "--json");
            var seen = Json("inspect", folder.File(path), "--json");
            Assert.Equal(("SAE", format, "standard"), (seen.GetProperty("kind").GetString(), seen.GetProperty("format").GetString(), seen.GetProperty("architecture").GetString()));
        }
        Json("convert", sae, folder.File("g"), "--to", "gemma_scope", "--fold-b-dec", "--json");
        Assert.Equal("jumprelu", Json("inspect", folder.File("g"), "--json").GetProperty("architecture").GetString());
        Assert.Equal("saelens", Json("inspect", sae, "--json").GetProperty("format").GetString());
        Assert.Contains("blocks.1.mlp_out", Run(0, "inspect", folder.File("dl")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_shows_what_a_torch_or_NumPy_file_holds_that_is_no_SAE()
    {
        using var x = torch.zeros(2, 3);
        TorchFile.Write(folder.File("x.pt"), [new("layer.weight", x), new("step", 5L)]);
        NumpyFile.Write(folder.File("x.npz"), [new("x", x)]);
        NumpyFile.WriteArray(folder.File("x.npy"), x);
        foreach (string name in (string[])["x.pt", "x.npz", "x.npy"])
            Assert.Equal((6, "F32"), Json("inspect", folder.File(name), "--json") is var seen
                ? (seen.GetProperty("parameters").GetInt32(), seen.GetProperty("tensors")[0].GetProperty("type").GetString()) : default);
    }

    private static JsonElement Json(params string[] args) => JsonDocument.Parse(Run(0, args).Output).RootElement;

    private static (string Output, string Error) Run(int expected, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = App.Run(args, output, error);
        Assert.True(code == expected, $"{string.Join(' ', args)} ended with {code}: {error}");
        return (output.ToString(), error.ToString());
    }
}
