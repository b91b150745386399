using System.Text.Json.Nodes;
using Parsimony.Models;

namespace Parsimony.Tools.LanguageModel;

/// <summary>A GPT-NeoX's <c>config.json</c>, as Hugging Face's transformers read it.</summary>
internal static class GptNeoXConfigJson
{
    /// <summary>The file's content.</summary>
    /// <param name="c">The shape.</param>
    /// <param name="storedType">Element type of the weights, in PyTorch's words: <c>float16</c>.</param>
    public static JsonObject Of(GptNeoXConfig c, string storedType) => new()
    {
        ["architectures"] = new JsonArray("GPTNeoXForCausalLM"),
        ["model_type"] = "gpt_neox",
        ["vocab_size"] = c.DVocab,
        ["hidden_size"] = c.DModel,
        ["num_hidden_layers"] = c.NLayers,
        ["num_attention_heads"] = c.NHeads,
        ["intermediate_size"] = c.DMlp,
        ["hidden_act"] = c.Activation == MlpActivation.Gelu ? "gelu" : throw new NotSupportedException($"{c.Activation} is not written here; only Gelu is."),
        ["rotary_pct"] = c.RotaryPct,
        ["rotary_emb_base"] = (int)c.RotaryBase,
        ["max_position_embeddings"] = c.MaxSequenceLength,
        ["layer_norm_eps"] = c.LayerNormEpsilon,
        ["use_parallel_residual"] = c.ParallelResidual,
        ["tie_word_embeddings"] = c.TieWordEmbeddings,
        ["attention_bias"] = true,
        ["attention_dropout"] = 0.0,
        ["hidden_dropout"] = 0.0,
        ["initializer_range"] = 0.02,
        ["bos_token_id"] = 0,
        ["eos_token_id"] = 0,
        ["torch_dtype"] = storedType,
        ["use_cache"] = true,
    };
}
