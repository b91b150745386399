using System.Text.Json.Nodes;
using Parsimony.Models;
using Xunit;

namespace Parsimony.Tests.Models;

public sealed class ModelConfigTests
{
    private static JsonObject Llama() => new()
    {
        ["model_type"] = "llama",
        ["num_hidden_layers"] = 2,
        ["hidden_size"] = 16,
        ["intermediate_size"] = 24,
        ["num_attention_heads"] = 4,
        ["num_key_value_heads"] = 2,
        ["max_position_embeddings"] = 64,
        ["vocab_size"] = 40,
    };

    private static LlamaConfig Parse(params (string Name, JsonNode? Value)[] changes)
    {
        var json = Llama();
        foreach (var (name, value) in changes) json[name] = value;
        return Assert.IsType<LlamaConfig>(ModelConfig.Parse(json.ToJsonString(), "config.json"));
    }

    private static string Fault(params (string Name, JsonNode? Value)[] changes) => Assert.Throws<InvalidDataException>(() => Parse(changes)).Message;

    [Fact]
    public void Llama_and_its_kin_are_read_by_their_own_conventions()
    {
        Assert.Equal((2, 4, 24, false), (Parse().NKvHeads, Parse().DHead, Parse().DMlp, Parse().QueryKeyValueBias));
        Assert.Equal(4, Parse(("num_key_value_heads", null)).NKvHeads);
        Assert.Equal(32, Parse(("head_dim", 32)).DHead);
        Assert.True(Parse(("attention_bias", true)) is { QueryKeyValueBias: true, AttentionOutputBias: true });
        Assert.True(Parse(("model_type", "qwen2")) is { QueryKeyValueBias: true, AttentionOutputBias: false });
        Assert.Equal(5e5, Parse(("rope_theta", 5e5)).RotaryBase);
        Assert.Equal(5e5, Parse(("rope_parameters", new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 5e5 })).RotaryBase);
    }

    [Fact]
    public void A_sliding_window_in_use_is_the_longest_sequence()
    {
        Assert.Equal(32, Parse(("model_type", "mistral"), ("sliding_window", 32)).MaxSequenceLength);
        Assert.Equal(64, Parse(("model_type", "mistral"), ("sliding_window", null)).MaxSequenceLength);
        Assert.Equal(64, Parse(("model_type", "qwen2"), ("sliding_window", 32), ("use_sliding_window", false)).MaxSequenceLength);
        Assert.Equal(32, Parse(("model_type", "qwen2"), ("sliding_window", 32), ("use_sliding_window", true)).MaxSequenceLength);
    }

    [Fact]
    public void Every_fault_is_named_at_once() => Assert.Equal(
        "config.json: vocab_size is missing; rope_scaling is of type 'llama3'; scaled rotary embeddings are not supported, only null or 'default' is; "
        + "hidden_act is 'mish'; supported: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu; num_attention_heads 4 is not a multiple of num_key_value_heads 3.",
        Fault(("vocab_size", null), ("num_key_value_heads", 3), ("hidden_act", "mish"), ("rope_scaling", new JsonObject { ["rope_type"] = "llama3", ["factor"] = 8 })));

    [Theory]
    [InlineData("rope_scaling", """{"type": "linear", "factor": 2}""", "rope_scaling is of type 'linear'")]
    [InlineData("num_hidden_layers", "0", "num_hidden_layers is 0; it must be a whole number of 1 or more")]
    [InlineData("hidden_size", "\"x\"", "hidden_size is \"x\"; it must be a whole number")]
    [InlineData("head_dim", "3", "head_dim is 3; it must be even")]
    [InlineData("partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5; only 1 is supported")]
    [InlineData("model_type", "\"mamba\"", "model_type is 'mamba'; supported: gpt_neox (GPT-NeoX, Pythia), gpt2, llama (Llama, SmolLM), mistral, qwen2")]
    [InlineData("tie_word_embeddings", "1", "tie_word_embeddings is 1; it must be true or false")]
    public void What_is_not_supported_is_named(string name, string value, string fault) => Assert.Contains(fault, Fault((name, JsonNode.Parse(value))), StringComparison.Ordinal);

    [Theory]
    [InlineData("scale_attn_weights", false)]
    [InlineData("scale_attn_by_inverse_layer_idx", true)]
    public void GPT_2_with_another_attention_scale_is_refused(string name, bool value)
    {
        string json = $$"""{"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 9, "{{name}}": {{(value ? "true" : "false")}}}""";
        Assert.Contains($"{name} is {(value ? "true" : "false")}; only", Assert.Throws<InvalidDataException>(() => ModelConfig.Parse(json, "c")).Message, StringComparison.Ordinal);
    }
}
