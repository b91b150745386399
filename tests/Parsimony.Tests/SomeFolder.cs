using System.Text.Json;
using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using static TorchSharp.torch;

namespace Parsimony.Tests;

/// <summary>Tiny things of every kind on disk, for what starts from a path.</summary>
internal static class SomeFolder
{
    /// <summary>A random GPT-NeoX in the Hugging Face layout, its tokenizer one token per byte (ids 1 to 256; 0 ends a text).</summary>
    /// <returns>The folder.</returns>
    public static string Model(string folder)
    {
        Directory.CreateDirectory(folder);
        var config = Some.Config() with { DVocab = 257 };
        using (var scope = NewDisposeScope())
        using (var weights = Some.Weights(config))
            SafetensorsFile.Write(Path.Combine(folder, "model.safetensors"), weights.Names.Select(n => KeyValuePair.Create(n, weights.Read(n))));
        Write(Path.Combine(folder, "config.json"), new
        {
            model_type = "gpt_neox",
            num_hidden_layers = config.NLayers,
            hidden_size = config.DModel,
            intermediate_size = config.DMlp,
            num_attention_heads = config.NHeads,
            vocab_size = config.DVocab,
            max_position_embeddings = config.MaxSequenceLength,
            rotary_pct = config.RotaryPct,
            rotary_emb_base = config.RotaryBase,
            layer_norm_eps = config.LayerNormEpsilon,
            hidden_act = "gelu",
            use_parallel_residual = true,
            tie_word_embeddings = false,
        });
        Write(Path.Combine(folder, "tokenizer.json"), new
        {
            added_tokens = new[] { new { id = 0, content = "<|endoftext|>" } },
            normalizer = new { type = "NFC" },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false },
            model = new { type = "BPE", vocab = Enumerable.Range(0, 256).ToDictionary(b => ByteLevel.Symbol((byte)b).ToString(), b => b + 1), merges = Array.Empty<string>() },
        });
        return folder;
    }

    /// <summary>A random SAE for <c>blocks.1.mlp_out</c> of the model in a folder.</summary>
    /// <returns>The SAE's folder.</returns>
    public static string Sae(string folder, string modelFolder, int dSae = 24)
    {
        using var model = Transformer.Load(modelFolder);
        using var sae = StandardSae.Create(model.Config.DModel, dSae, seed: 5);
        var metadata = new SaeMetadata { Hook = HookPoint.Parse("blocks.1.mlp_out"), ModelName = "some", ModelSha256 = model.Sha256 };
        SaeFolder.Save(folder, sae, metadata);
        return folder;
    }

    /// <summary>Dials on an SAE of <see cref="Sae"/>: every latent's scale is 1 and its shift 1.</summary>
    /// <returns>The adapter's folder.</returns>
    public static string Adapter(string folder, string modelFolder, string saeFolder, int dSae = 24)
    {
        using var model = Transformer.Load(modelFolder);
        using var scope = NewDisposeScope();
        using var dials = FeatureDials.Of(HookPoint.Parse("blocks.1.mlp_out"), ones(dSae), ones(dSae));
        AdapterFolder.Save(folder, [dials], new AdapterMetadata
        {
            BaseModelName = "some",
            BaseModelSha256 = model.Sha256!,
            Hooks = [new(dials.At, dSae, saeFolder, SaeFolder.Sha256(saeFolder))],
            Mode = SpliceMode.Delta,
        });
        return folder;
    }

    private static void Write(string path, object json) => File.WriteAllText(path, JsonSerializer.Serialize(json));
}
