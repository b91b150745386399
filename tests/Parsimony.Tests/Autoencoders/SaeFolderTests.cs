using System.Text.Json.Nodes;
using Parsimony.Autoencoders;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders;

public sealed class SaeFolderTests : IDisposable
{
    private static readonly SaeMetadata Metadata = new()
    {
        Hook = new HookPoint(1, HookSite.MlpOut),
        ModelName = "tiny",
        ModelSha256 = new string('a', 64),
        TokenizerSha256 = new string('b', 64),
        ContextSize = 128,
        DatasetPath = "stories.txt",
        TrainingTokens = 12_345_678_901,
        Seed = 3,
        L1Coefficient = 0.0123,
        DecoderConstraint = "renormalise",
    };

    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-sae").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void What_was_saved_is_what_is_loaded_bit_for_bit()
    {
        using var sae = Some.Sae();
        SaeFolder.Save(folder, sae, Metadata);
        var (loaded, metadata) = SaeFolder.Load(folder);
        using var _ = loaded;
        Assert.True(loaded.SameBits(sae));
        Assert.Equal(Metadata, metadata);
        Assert.Equal(["cfg.json", "sae_weights.safetensors"], Directory.GetFiles(folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Saving_again_writes_the_same_bytes()
    {
        using var sae = Some.Sae();
        SaeFolder.Save(folder, sae, Metadata);
        var first = Directory.GetFiles(folder).Order().Select(File.ReadAllBytes).ToList();
        string hash = SaeFolder.Sha256(folder);
        SaeFolder.Save(folder, sae, Metadata);
        Assert.Equal(first, Directory.GetFiles(folder).Order().Select(File.ReadAllBytes));
        Assert.Equal(hash, SaeFolder.Sha256(folder));
        Assert.Matches("^[0-9a-f]{64}$", hash);
    }

    [Fact]
    public void The_config_has_every_key_that_SAELens_6_reads()
    {
        using var sae = Some.Sae();
        SaeFolder.Save(folder, sae, Metadata);
        var cfg = Config();
        Assert.Equal(("standard", 16, 32, "float32", true, "none", "none"), ((string?)cfg["architecture"], (int)cfg["d_in"]!, (int)cfg["d_sae"]!,
            (string?)cfg["dtype"], (bool)cfg["apply_b_dec_to_input"]!, (string?)cfg["normalize_activations"], (string?)cfg["reshape_activations"]));
        var metadata = cfg["metadata"]!.AsObject();
        Assert.Equal("blocks.1.hook_mlp_out", (string?)metadata["hook_name"]);
        Assert.True(Version.Parse((string)metadata["sae_lens_version"]!) >= new Version(6, 0)); // older: read as flat keys
        Assert.Empty(((string[])["model_name", "model_class_name", "hook_head_index", "context_size", "seqpos_slice", "prepend_bos",
            "model_from_pretrained_kwargs", "exclude_special_tokens", "sequence_separator_token", "disable_concat_sequences", "dataset_path",
            "sae_lens_training_version"]).Except(metadata.Select(p => p.Key)));
        Assert.Equal(SaeMetadata.Loss, (string?)metadata["loss_convention"]);
    }

    [Fact]
    public void A_folder_that_SAELens_saved_is_read()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Write(sae, ScalarType.BFloat16, """
            {"d_in": 16, "d_sae": 32, "dtype": "bfloat16", "device": "cuda", "apply_b_dec_to_input": true, "normalize_activations": "none",
             "reshape_activations": "none", "architecture": "standard", "metadata": {"sae_lens_version": "6.18.0", "model_name": "pythia-70m",
             "hook_name": "blocks.3.mlp.hook_post", "hook_head_index": null, "context_size": 256, "prepend_bos": true, "seqpos_slice": [null]}}
            """);
        var (loaded, metadata) = SaeFolder.Load(folder);
        Assert.Equal((new HookPoint(3, HookSite.MlpPost), "pythia-70m", 256), (metadata.Hook, metadata.ModelName, metadata.ContextSize));
        Assert.True(loaded.WDec.SameBits(sae.WDec.to(ScalarType.BFloat16).to(ScalarType.Float32)));
        Assert.Null(metadata.LossConvention);
        loaded.Dispose();
    }

    [Fact]
    public void The_flat_config_of_older_versions_is_read()
    {
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, """
            {"model_name": "gpt2-small", "hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8, "hook_point_head_index": null, "d_in": 16,
             "d_sae": 32, "activation_fn_str": "relu", "normalize_activations": false, "context_size": 128, "dtype": "torch.float32"}
            """);
        var (loaded, metadata) = SaeFolder.Load(folder);
        Assert.Equal(new HookPoint(8, HookSite.ResidPre), metadata.Hook);
        loaded.Dispose();
    }

    [Fact]
    public void A_decoder_bias_that_is_not_subtracted_from_the_input_is_folded_into_the_encoder_bias()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, """
            {"d_in": 16, "d_sae": 32, "apply_b_dec_to_input": false, "architecture": "standard",
             "metadata": {"sae_lens_version": "6.18.0", "model_name": "m", "hook_name": "blocks.0.hook_mlp_out"}}
            """);
        var (loaded, _) = SaeFolder.Load(folder);
        using var __ = loaded;
        using var generator = new Generator(1, CPU);
        var x = randn(9, 16, generator: generator);
        var expected = sae.Decode((x.matmul(sae.WEnc) + sae.BEnc).relu());
        Assert.True((loaded.Reconstruct(x) - expected).abs().max().item<float>() < 1e-5);
    }

    [Theory]
    [InlineData("architecture", "\"topk\"", "'topk'; only 'standard' (ReLU)")]
    [InlineData("normalize_activations", "\"layer_norm\"", "normalize_activations 'layer_norm'; only 'none'")]
    [InlineData("reshape_activations", "\"hook_z\"", "reshape_activations 'hook_z'; only 'none'")]
    [InlineData("d_in", "0", "no positive d_in")]
    [InlineData("d_in", "\"x\"", "cannot be read as an SAE's cfg.json")]
    [InlineData("d_sae", "31", "W_enc has shape [16, 32]; cfg.json says [16, 31]")]
    [InlineData("metadata", "{}", "names no hook_name")]
    [InlineData("metadata", """{"hook_name": "blocks.0.attn.hook_z"}""", "is not a hook point")]
    [InlineData("metadata", """{"hook_name": "blocks.0.hook_mlp_out", "hook_head_index": 3}""", "single attention head")]
    public void What_cannot_be_honoured_is_refused_in_one_sentence(string key, string value, string said)
    {
        using var sae = Some.Sae();
        SaeFolder.Save(folder, sae, Metadata);
        var cfg = Config();
        cfg[key] = JsonNode.Parse(value);
        File.WriteAllText(Path.Combine(folder, "cfg.json"), cfg.ToJsonString());
        Assert.Contains(said, Assert.Throws<InvalidDataException>(() => SaeFolder.Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_or_tensor_is_named()
    {
        using var sae = Some.Sae();
        Assert.Contains("it has no cfg.json", Assert.Throws<FileNotFoundException>(() => SaeFolder.Load(folder)).Message, StringComparison.Ordinal);
        SaeFolder.Save(folder, sae, Metadata);
        string weights = Path.Combine(folder, "sae_weights.safetensors");
        SafetensorsFile.Write(weights, [new("W_enc", sae.WEnc), new("W_dec", sae.WDec), new("b_enc", sae.BEnc)]);
        Assert.Contains("has no tensor b_dec", Assert.Throws<InvalidDataException>(() => SaeFolder.Load(folder)).Message, StringComparison.Ordinal);
        File.Delete(weights);
        Assert.Contains("it has no sae_weights.safetensors", Assert.Throws<FileNotFoundException>(() => SaeFolder.Load(folder)).Message, StringComparison.Ordinal);
    }

    private JsonObject Config() => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "cfg.json")))!.AsObject();

    private void Write(StandardSae sae, ScalarType type, string cfg)
    {
        using var scope = NewDisposeScope();
        File.WriteAllText(Path.Combine(folder, "cfg.json"), cfg);
        SafetensorsFile.Write(Path.Combine(folder, "sae_weights.safetensors"), [new("W_enc", sae.WEnc.to(type)), new("W_dec", sae.WDec.to(type)),
            new("b_enc", sae.BEnc.to(type)), new("b_dec", sae.BDec.to(type))]);
    }
}
