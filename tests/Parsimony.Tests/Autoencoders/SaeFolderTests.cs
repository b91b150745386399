using System.Text.Json.Nodes;
using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Tests.Autoencoders.Formats;
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

    [Theory]
    [InlineData("standard")]
    [InlineData("standard, b_dec left on")]
    [InlineData("topk")]
    [InlineData("jumprelu, b_dec left on")]
    [InlineData("gated")]
    [InlineData("wide transcoder")]
    [InlineData("topk skip_transcoder")]
    public void Every_architecture_comes_back_bit_for_bit(string kind)
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make(kind);
        var metadata = Metadata with { HookOut = sae is Transcoder ? new HookPoint(2, HookSite.ResidPost) : null };
        SaeFolder.Save(folder, sae, metadata);
        var (loaded, said) = SaeFolder.Load(folder);
        using var _ = loaded;
        Assert.Equal((metadata, sae.Architecture), (said, loaded.Architecture));
        var x = randn(20, sae.DModel);
        Assert.True(loaded.Encode(x).SameBits(sae.Encode(x)) && loaded.Reconstruct(x).SameBits(sae.Reconstruct(x)));
    }

    [Fact]
    public void Firing_densities_are_kept_as_SAELens_does()
    {
        using var scope = NewDisposeScope();
        using var sae = SomeKind.Make("standard");
        var density = zeros(14);
        density[3] = 0.01f;
        SaeFolder.Save(folder, sae, Metadata, density);
        using var file = SafetensorsFile.Open(Path.Combine(folder, "sparsity.safetensors"));
        float[] log = file.Read("sparsity").Floats();
        Assert.Equal((-2f, -10f), (MathF.Round(log[3], 4), log[0]));
        using var stored = SaeFolder.Read(folder);
        Assert.Equal(log, stored.LogDensity!.Floats());
    }

    [Fact]
    public void What_others_say_under_metadata_is_written_back()
    {
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, """
            {"d_in": 16, "d_sae": 32, "architecture": "standard", "metadata": {"sae_lens_version": "6.5.0", "model_name": "m", "hook_name": "blocks.0.hook_mlp_out",
             "prepend_bos": true, "model_from_pretrained_kwargs": {"center_writing_weights": false}, "neuronpedia_id": "a/b", "seqpos_slice": null}}
            """);
        var (loaded, metadata) = SaeFolder.Load(folder);
        using var _ = loaded;
        SaeFolder.Save(folder, loaded, metadata);
        var written = Config()["metadata"]!.AsObject();
        Assert.Equal((true, "a/b", false), ((bool)written["prepend_bos"]!, (string?)written["neuronpedia_id"],
            (bool)written["model_from_pretrained_kwargs"]!["center_writing_weights"]!));
    }

    [Fact]
    public void TopK_of_older_versions_is_read()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, """
            {"model_name": "gpt2", "hook_name": "blocks.8.hook_resid_pre", "d_in": 16, "d_sae": 32, "activation_fn_str": "topk",
             "activation_fn_kwargs": {"k": 4}, "normalize_activations": "none", "apply_b_dec_to_input": false}
            """);
        var (loaded, metadata) = SaeFolder.Load(folder);
        using var _ = loaded;
        Assert.Equal((4, false), loaded is TopKSae topK ? (topK.K, topK.ApplyBDecToInput) : (0, true));
        Assert.Contains("\"prepend_bos\":true", metadata.OtherKeys, StringComparison.Ordinal); // the default before version 6
    }

    [Fact]
    public void Latents_ranked_by_their_decoder_norms_are_folded_to_latents_ranked_by_themselves()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        sae.WDec.mul_(arange(1, 33, ScalarType.Float32).unsqueeze(1) / 8);
        Write(sae, ScalarType.Float32, """
            {"d_in": 16, "d_sae": 32, "architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": true,
             "metadata": {"sae_lens_version": "6.18.0", "model_name": "m", "hook_name": "blocks.0.hook_mlp_out"}}
            """);
        var (loaded, _) = SaeFolder.Load(folder);
        using var __ = loaded;
        var x = randn(9, 16);
        var norm = sae.WDec.norm(dim: 1);
        var scaled = SaeLayer.TopK(sae.PreActivations(x) * norm, 5);
        Assert.True((loaded.Encode(x) - scaled).abs().max().item<float>() < 1e-4);
        Assert.True((loaded.Reconstruct(x) - sae.Decode(scaled / norm)).abs().max().item<float>() < 1e-4);
    }

    [Theory]
    [InlineData("threshold", "jumprelu")]
    [InlineData("log_threshold", "jumprelu")]
    [InlineData("topk_threshold", "batchtopk")]
    [InlineData("topk_threshold", "matryoshka_batchtopk")]
    public void A_checkpoint_of_what_is_used_as_JumpReLU_is_read_as_that(string tensor, string architecture)
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, $$"""
            {"d_in": 16, "d_sae": 32, "architecture": "{{architecture}}", "k": 5,
             "metadata": {"sae_lens_version": "6.18.0", "model_name": "m", "hook_name": "blocks.0.hook_mlp_out"} }
            """, tensor switch
        {
            "threshold" => KeyValuePair.Create("threshold", full(32, 0.5f)),
            "log_threshold" => KeyValuePair.Create(tensor, full(32, 0.5f).log()),
            _ => KeyValuePair.Create(tensor, torch.tensor(0.5)),
        });
        var (loaded, _) = SaeFolder.Load(folder);
        using var __ = loaded;
        Assert.True((((JumpReluSae)loaded).Threshold - 0.5).abs().max().item<float>() < 1e-6);
    }

    [Fact]
    public void A_scale_that_SAELens_left_beside_a_checkpoint_is_folded()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        Write(sae, ScalarType.Float32, """
            {"d_in": 16, "d_sae": 32, "architecture": "standard", "normalize_activations": "expected_average_only_in",
             "metadata": {"sae_lens_version": "6.18.0", "model_name": "m", "hook_name": "blocks.0.hook_mlp_out"}}
            """);
        Assert.Contains("activation_scaler.json", Assert.Throws<InvalidDataException>(() => SaeFolder.Load(folder)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "activation_scaler.json"), """{"scaling_factor": 0.25}""");
        var (loaded, _) = SaeFolder.Load(folder);
        using var __ = loaded;
        var x = randn(9, 16);
        Assert.True((loaded.Reconstruct(x) - sae.Reconstruct(x * 0.25) / 0.25).abs().max().item<float>() < 1e-4);
    }

    [Fact]
    public void A_finetuned_decoder_scale_is_multiplied_in_where_the_config_says_so()
    {
        using var scope = NewDisposeScope();
        using var sae = Some.Sae();
        string cfg = """
            {"d_in": 16, "d_sae": 32, "finetuning_scaling_factor": FLAG, "hook_name": "blocks.0.hook_mlp_out"}
            """;
        foreach (bool flag in (bool[])[true, false])
        {
            Write(sae, ScalarType.Float32, cfg.Replace("FLAG", flag ? "true" : "false", StringComparison.Ordinal), KeyValuePair.Create("scaling_factor", full(32, 2f)));
            var (loaded, _) = SaeFolder.Load(folder);
            using var __ = loaded;
            Assert.True(loaded.WDec.SameBits(flag ? sae.WDec * 2 : sae.WDec));
        }
    }

    [Theory]
    [InlineData("architecture", "\"temporal\"", "'temporal'; known here: standard, topk")]
    [InlineData("architecture", "\"topk\"", "says k = nothing; expected 1 to d_sae = 32")]
    [InlineData("architecture", "\"jumprelu\"", "has no tensor threshold")]
    [InlineData("activation_fn", "\"tanh\"", "activation_fn 'tanh'; only 'relu' and 'topk'")]
    [InlineData("normalize_activations", "\"median\"", "normalize_activations \"median\"; known here")]
    [InlineData("normalize_activations", "\"layer_norm\"", "normalize_activations 'layer_norm'; only 'none'")]
    [InlineData("reshape_activations", "\"hook_z\"", "reshape_activations 'hook_z'; only 'none'")]
    [InlineData("d_in", "0", "no positive d_in")]
    [InlineData("d_in", "\"x\"", "cannot be read as an SAE's cfg.json")]
    [InlineData("d_sae", "31", "W_enc has shape [16, 32]; expected [16, 31]")]
    [InlineData("metadata", "{}", "names no hook_name")]
    [InlineData("metadata", """{"hook_name": "blocks.0.attn.hook_q"}""", "is not a hook point")]
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

    private void Write(StandardSae sae, ScalarType type, string cfg, params KeyValuePair<string, Tensor>[] others)
    {
        using var scope = NewDisposeScope();
        File.WriteAllText(Path.Combine(folder, "cfg.json"), cfg);
        SafetensorsFile.Write(Path.Combine(folder, "sae_weights.safetensors"), [new("W_enc", sae.WEnc.to(type)), new("W_dec", sae.WDec.to(type)),
            new("b_enc", sae.BEnc.to(type)), new("b_dec", sae.BDec.to(type)), .. others]);
    }
}
