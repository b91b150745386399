using System.Text.Json.Nodes;
using Parsimony.Autoencoders;
using Parsimony.Autoencoders.Formats;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders.Formats;

/// <summary>What is peculiar to one project's files: written here as that project writes them.</summary>
public sealed class ForeignFilesTests : IDisposable
{
    private const int D = 6, F = 14, K = 3;
    private readonly TemporaryFolder folder = new();
    private readonly Generator generator = new(5, CPU);

    public void Dispose()
    {
        folder.Dispose();
        generator.Dispose();
    }

    [Theory]
    [InlineData("BatchTopKSAE", null, "jumprelu")]
    [InlineData(null, "BatchTopKTrainer", "jumprelu")]
    [InlineData("AutoEncoderTopK", "TopKTrainer", "topk")]
    public void TopK_and_BatchTopK_of_dictionary_learning_differ_only_in_the_config(string? dictClass, string? trainerClass, string architecture)
    {
        using var scope = NewDisposeScope();
        TopKFile(dictClass, trainerClass);
        using var stored = SaeFiles.Load(folder.Path);
        Assert.Equal((architecture, new HookPoint(3, HookSite.ResidPost), "EleutherAI/pythia-70m"), (stored.Sae.Architecture, stored.Hook!.Value, stored.ModelName));
        var x = randn(20, D, generator: generator);
        using var file = TorchFile.Open(folder.File("ae.pt"));
        var h = ((x - file.Read("b_dec")).matmul(file.Read("encoder.weight").t()) + file.Read("encoder.bias")).relu();
        var f = architecture == "topk" ? SaeLayer.TopK(h, K) : h * (h > 0.5);
        Assert.True((stored.Sae.Encode(x) - f).abs().max().item<float>() < 1e-5);

        // Back to where it came from nothing is lost, not even what its function does not need.
        string second = folder.File("second");
        SaeFiles.Save(second, SaeFormat.DictionaryLearning, stored);
        using var again = TorchFile.Open(Path.Combine(second, "ae.pt"));
        foreach (string name in file.Tensors.Keys) Assert.True(again.Read(name).SameBits(file.Read(name)), name);
        Assert.Equal(0.04, (double)JsonNode.Parse(File.ReadAllText(Path.Combine(second, "config.json")))!["trainer"]!["lr"]!);
    }

    [Fact]
    public void TopK_or_BatchTopK_without_a_config_is_not_guessed()
    {
        TopKFile(null, null);
        Assert.Contains("only the dict_class in the trainer block", Refused(folder.Path), StringComparison.Ordinal);
        File.Delete(folder.File("config.json"));
        Assert.Contains("there is none", Refused(folder.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void BatchTopK_of_our_own_goes_to_dictionary_learning_because_its_k_is_kept()
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make("jumprelu, one threshold");
        var metadata = new SaeMetadata { Hook = new HookPoint(1, HookSite.MlpOut), ModelName = "tiny", K = K };
        SaeFolder.Save(folder.File("ours"), sae, metadata);
        using var stored = SaeFiles.Load(folder.File("ours"));
        Assert.Equal(metadata, stored.MetadataAt());
        SaeFiles.Save(folder.File("theirs"), SaeFormat.DictionaryLearning, stored);
        using var back = SaeFiles.Load(folder.File("theirs"));
        Assert.Contains("\"BatchTopKSAE\"", back.Config!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(K, back.Kept["k"].item<int>());
        foreach (var (name, weight) in sae.Weights) Assert.True(back.Sae.Weights[name].SameBits(weight), name);
    }

    [Fact]
    public void Matryoshka_of_dictionary_learning_comes_back_with_its_groups()
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make("jumprelu, one threshold");
        KeyValuePair<string, object>[] state = [.. sae.Weights.Where(w => w.Key != "threshold").Select(w => KeyValuePair.Create(w.Key, (object)w.Value)),
            new("k", tensor(K, ScalarType.Int32)), new("threshold", tensor(0.25f)), new("group_sizes", tensor((long[])[4, 10]))];
        TorchFile.Write(folder.File("ae.pt"), state);
        using var stored = SaeFiles.Load(folder.File("ae.pt"));
        Assert.True(stored.Sae.Weights["threshold"].SameBits(sae.Weights["threshold"]));
        SaeFiles.Save(folder.File("second"), SaeFormat.DictionaryLearning, stored);
        using var again = TorchFile.Open(Path.Combine(folder.File("second"), "ae.pt"));
        foreach (var (name, value) in state) Assert.True(again.Read(name).SameBits((Tensor)value), name);
        Assert.Contains("\"MatryoshkaBatchTopKSAE\"", File.ReadAllText(Path.Combine(folder.File("second"), "config.json")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_of_dictionary_learning_and_an_unknown_class_are_refused()
    {
        TorchFile.Write(folder.File("ae.pt"), [new("step", 5L), new("ae", new Dictionary<string, object> { ["bias"] = zeros(2) })]);
        Assert.Contains("a checkpoint to go on training from", Refused(folder.Path), StringComparison.Ordinal);
        TorchFile.Write(folder.File("ae.pt"), [new("encoder.weight", zeros(F, D)), new("decoder.weight", zeros(D, F)), new("other", zeros(2))]);
        Assert.Contains("not a dictionary of a known class", Refused(folder.Path), StringComparison.Ordinal);
        TorchFile.Write(folder.File("ae.pt"), [new("encoder.weight", zeros(F, D)), new("encoder.bias", zeros(F)), new("decoder.weight", zeros(D, F)), new("bias", zeros(D)),
            new("extra", zeros(2))]);
        Assert.Contains("has extra beside what AutoEncoder is made of", Refused(folder.Path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("layers.3.mlp", false, "blocks.3.mlp_out")]
    [InlineData("gpt_neox.layers.3", false, "blocks.3.resid_post")]
    [InlineData("transformer.h.0.attn", false, "blocks.0.attn_out")]
    [InlineData("layers.2.mlp", true, "blocks.2.mlp_in")]
    [InlineData("embed_in", false, null)]
    public void The_folder_of_a_sparsify_SAE_is_its_hook(string name, bool transcode, string? hook)
    {
        using var scope = NewDisposeScope();
        string run = folder.File("run"), at = Path.Combine(run, name);
        Sparsify(at, new() { ["expansion_factor"] = 2, ["num_latents"] = 0, ["k"] = K, ["transcode"] = transcode, ["skip_connection"] = transcode, ["d_in"] = D }, 2 * D, transcode);
        File.WriteAllText(Path.Combine(run, "config.json"), """{"model": "EleutherAI/pythia-70m"}""");
        using var stored = SaeFiles.Load(at);
        Assert.Equal((hook, "EleutherAI/pythia-70m", 2 * D), (stored.Hook?.ToString(), stored.ModelName, stored.Sae.DSae));
        if (transcode) Assert.Equal("blocks.2.mlp_out", stored.MetadataAt().HookOut.ToString());
        Assert.True(stored.Sae.WDec.dtype == ScalarType.Float32); // it was bfloat16
        using var file = SafetensorsFile.Open(Path.Combine(at, "sae.safetensors"));
        Tensor W(string tensor) => file.Read(tensor, ScalarType.Float32);
        var x = randn(20, D, generator: generator);
        var f = SaeLayer.TopK((transcode ? x : x - W("b_dec")).matmul(W("encoder.weight").t()) + W("encoder.bias"), K);
        var y = f.matmul(W("W_dec")) + W("b_dec");
        if (transcode) y += x.matmul(W("W_skip").t());
        Assert.True((stored.Sae.Reconstruct(x) - y).abs().max().item<float>() < 1e-4);
    }

    [Theory]
    [InlineData("activation", "\"groupmax\"", "only 'topk' is read")]
    [InlineData("signed", "true", "signed latents")]
    [InlineData("k", "0", "says k = 0")]
    [InlineData("k", "\"x\"", "expected a whole number")]
    [InlineData("skip_connection", "true", "without transcode")]
    [InlineData("num_latents", "13", "encoder.weight has shape [12, 6]; expected [13, 6]")]
    public void What_sparsify_has_and_we_do_not_is_refused(string key, string value, string said)
    {
        Sparsify(folder.Path, new() { ["expansion_factor"] = 2, ["k"] = K, ["d_in"] = D, [key] = JsonNode.Parse(value) }, 2 * D, skip: false);
        Assert.Contains(said, Refused(folder.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void OpenAIs_TopK_keeps_its_LayerNorm_and_its_statistics_through_SAELens_and_back()
    {
        using var scope = NewDisposeScope();
        KeyValuePair<string, object>[] state =
        [
            new("pre_bias", Drawn(D)), new("latent_bias", Drawn(F)), new("stats_last_nonzero", arange(F, ScalarType.Int64)), new("latents_activation_frequency", Drawn(F)),
            new("latents_mean_square", Drawn(F)), new("encoder.weight", Drawn(F, D)), new("decoder.weight", Drawn(D, F).t().contiguous().t()), new("activation", "TopK"),
            new("activation_state_dict", new Dictionary<string, object> { ["k"] = (long)K, ["postact_fn"] = "ReLU" }),
        ];
        string path = folder.File("5.pt");
        TorchFile.Write(path, state);
        using var stored = SaeFiles.Load(path);
        Assert.Equal((SaeFormat.Openai, K, StoredSae.LayerNorm), (stored.From, ((TopKSae)stored.Sae).K, stored.Normalisation));
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(SaeFiles.Save(folder.File("again.pt"), SaeFormat.Openai, stored)[0]));

        string saelens = folder.File("saelens");
        SaeFiles.Save(saelens, SaeFormat.Saelens, stored with { Hook = new HookPoint(5, HookSite.MlpOut) });
        Assert.Contains("\"normalize_activations\": \"layer_norm\"", File.ReadAllText(Path.Combine(saelens, "cfg.json")), StringComparison.Ordinal);
        Assert.Contains("It can be inspected and converted", Assert.Throws<InvalidDataException>(() => SaeFolder.Load(saelens)).Message, StringComparison.Ordinal);
        using var back = SaeFiles.Load(saelens);
        using var file = TorchFile.Open(SaeFiles.Save(folder.File("back.pt"), SaeFormat.Openai, back)[0]);
        foreach (string name in (string[])["pre_bias", "latent_bias", "encoder.weight", "decoder.weight"])
            Assert.True(file.Read(name).SameBits((Tensor)state.Single(s => s.Key == name).Value), name);
        Assert.Throws<NotSupportedException>(() => SaeFiles.Save(folder.File("no"), SaeFormat.DictionaryLearning, back));
    }

    [Theory]
    [InlineData("Identity", 3L, "ReLU", "has activation Identity; ReLU and TopK")]
    [InlineData("TopK", 99L, "ReLU", "says k = 99; expected 1 to d_sae = 14")]
    [InlineData("TopK", 3L, "Identity", "TopK followed by Identity")]
    public void OpenAIs_other_activations_are_refused(string activation, long k, string after, string said)
    {
        TorchFile.Write(folder.File("a.pt"), [new("pre_bias", zeros(D)), new("latent_bias", zeros(F)), new("encoder.weight", zeros(F, D)), new("decoder.weight", zeros(D, F)),
            new("activation", activation), new("activation_state_dict", new Dictionary<string, object> { ["k"] = k, ["postact_fn"] = after })]);
        Assert.Contains(said, Refused(folder.File("a.pt")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("w_")]
    [InlineData("W_")]
    public void Gemma_Scope_does_not_take_b_dec_off_its_input(string prefix)
    {
        using var scope = NewDisposeScope();
        Tensor wEnc = Drawn(D, F), wDec = Drawn(F, D), bEnc = Drawn(F), bDec = Drawn(D), threshold = Drawn(F).abs();
        NumpyFile.Write(folder.File("params.npz"), [new(prefix + "enc", wEnc), new(prefix + "dec", wDec), new("b_enc", bEnc), new("b_dec", bDec), new("threshold", threshold)]);
        using var stored = SaeFiles.Load(folder.Path);
        var x = Drawn(20, D);
        var h = x.matmul(wEnc) + bEnc;
        Assert.True((stored.Sae.Reconstruct(x) - (h * (h > threshold)).matmul(wDec) - bDec).abs().max().item<float>() < 1e-5);
    }

    private void TopKFile(string? dictClass, string? trainerClass)
    {
        using var scope = NewDisposeScope();
        TorchFile.Write(folder.File("ae.pt"), [new("encoder.weight", Drawn(F, D)), new("encoder.bias", Drawn(F)), new("decoder.weight", Drawn(D, F)), new("b_dec", Drawn(D)),
            new("k", tensor(K, ScalarType.Int32)), new("threshold", tensor(0.5f))]);
        var trainer = new JsonObject { ["lr"] = 0.04, ["submodule_name"] = "resid_post_layer_3", ["lm_name"] = "EleutherAI/pythia-70m", ["layer"] = 3 };
        if (dictClass is not null) trainer["dict_class"] = dictClass;
        if (trainerClass is not null) trainer["trainer_class"] = trainerClass;
        File.WriteAllText(folder.File("config.json"), new JsonObject { ["trainer"] = trainer, ["buffer"] = new JsonObject { ["io"] = "out" } }.ToJsonString());
    }

    private void Sparsify(string at, JsonObject cfg, int latents, bool skip)
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(at);
        File.WriteAllText(Path.Combine(at, "cfg.json"), cfg.ToJsonString());
        var tensors = new Dictionary<string, Tensor>
        {
            ["encoder.weight"] = Drawn(latents, D),
            ["encoder.bias"] = Drawn(latents),
            ["W_dec"] = Drawn(latents, D),
            ["b_dec"] = Drawn(D),
        };
        if (skip) tensors["W_skip"] = Drawn(D, D);
        SafetensorsFile.Write(Path.Combine(at, "sae.safetensors"), tensors.ToDictionary(t => t.Key, t => t.Value.to(ScalarType.BFloat16)));
    }

    private Tensor Drawn(params long[] shape) => randn(shape, generator: generator);

    private static string Refused(string path) => Assert.Throws<InvalidDataException>(() => SaeFiles.Load(path).Dispose()).Message;
}
