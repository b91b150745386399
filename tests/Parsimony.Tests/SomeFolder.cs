using System.Text.Json;
using Parsimony.Models;
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

    private static void Write(string path, object json) => File.WriteAllText(path, JsonSerializer.Serialize(json));
}
