using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>The weights of one GPT-NeoX layer and the three maps they make: attention, MLP in, MLP out.</summary>
internal sealed class NeoXLayer : IDisposable
{
    private readonly GptNeoXConfig config;
    private readonly Tensor ln1, ln1Bias, ln2, ln2Bias;
    private readonly Tensor qkv, qkvBias, dense, denseBias; // weights are [out, in]
    private readonly Tensor up, upBias, down, downBias;

    public NeoXLayer(GptNeoXConfig config, IWeightSource source, int layer)
    {
        this.config = config;
        int d = config.DModel, mlp = config.DMlp;
        string prefix = $"gpt_neox.layers.{layer}.";
        (ln1, ln1Bias) = Pair("input_layernorm", d);
        (ln2, ln2Bias) = Pair("post_attention_layernorm", d);
        (qkv, qkvBias) = Pair("attention.query_key_value", 3 * d, d);
        (dense, denseBias) = Pair("attention.dense", d, d);
        (up, upBias) = Pair("mlp.dense_h_to_4h", mlp, d);
        (down, downBias) = Pair("mlp.dense_4h_to_h", d, mlp);

        (Tensor, Tensor) Pair(string name, params long[] shape) =>
            (source.ReadChecked(prefix + name + ".weight", shape), source.ReadChecked(prefix + name + ".bias", shape[0]));
    }

    /// <summary>Layer input to the attention block's output, both <c>[batch, seq, d_model]</c>.</summary>
    public Tensor Attention(Tensor x, Positions positions, KvCache? cache, int layer)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = QueryKeyValue(x, positions);
        if (cache is not null) (k, v) = cache.Append(layer, k, v);
        var mixed = scaled_dot_product_attention(q, k, v, positions.Mask!, is_casual: positions.IsCausal);
        var joined = mixed.transpose(1, 2).reshape(x.shape); // [batch, seq, d_model]
        return linear(joined, dense, denseBias).MoveToOuterDisposeScope();
    }

    /// <summary>The attention probabilities, <c>[batch, heads, query, key]</c>.</summary>
    public Tensor AttentionPattern(Tensor x, Positions positions)
    {
        using var scope = NewDisposeScope();
        var (q, k, _) = QueryKeyValue(x, positions);
        var scores = q.matmul(k.transpose(-2, -1)) / Math.Sqrt(config.DHead);
        long seq = x.size(1);
        var hidden = ones(seq, seq, ScalarType.Bool, x.device).triu(1);
        return scores.masked_fill(hidden, float.NegativeInfinity).softmax(-1).MoveToOuterDisposeScope();
    }

    /// <summary>What the MLP reads: the layer norm in front of it, <c>[batch, seq, d_model]</c> to the same.</summary>
    public Tensor MlpIn(Tensor x) => Norm(x, ln2, ln2Bias);

    /// <summary>The MLP up to its nonlinearity: <c>[batch, seq, d_model]</c> to <c>[batch, seq, d_mlp]</c>.</summary>
    public Tensor MlpPre(Tensor normed) => linear(normed, up, upBias);

    /// <summary>The nonlinearity.</summary>
    public Tensor MlpPost(Tensor pre) => config.Activation switch
    {
        MlpActivation.Gelu => gelu(pre),
        MlpActivation.GeluTanh => gelu(pre, TorchSharp.Modules.GELU.Approximate.tanh, false),
        MlpActivation.Relu => relu(pre),
        _ => silu(pre),
    };

    /// <summary>The MLP from its nonlinearity to its output: <c>[batch, seq, d_mlp]</c> to <c>[batch, seq, d_model]</c>.</summary>
    public Tensor MlpOut(Tensor post) => linear(post, down, downBias);

    /// <summary>What a direction after the nonlinearity is in the MLP's output: <see cref="MlpOut"/> without its bias.</summary>
    public Tensor MlpOutDirection(Tensor directions) => linear(directions, down);

    private (Tensor Q, Tensor K, Tensor V) QueryKeyValue(Tensor x, Positions positions)
    {
        int head = config.DHead;
        // The projection's rows go head by head, each head's query, key and value in turn.
        var heads = linear(Norm(x, ln1, ln1Bias), qkv, qkvBias).view(x.size(0), x.size(1), config.NHeads, 3 * head).transpose(1, 2);
        return (positions.Rotate(heads.narrow(-1, 0, head)), positions.Rotate(heads.narrow(-1, head, head)), heads.narrow(-1, 2 * head, head));
    }

    private Tensor Norm(Tensor x, Tensor gain, Tensor bias) => layer_norm(x, [config.DModel], gain, bias, config.LayerNormEpsilon);

    public void Dispose()
    {
        foreach (var t in (Tensor[])[ln1, ln1Bias, ln2, ln2Bias, qkv, qkvBias, dense, denseBias, up, upBias, down, downBias]) t.Dispose();
    }
}
