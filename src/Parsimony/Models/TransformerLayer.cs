using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>The parts of one layer and the maps they make: attention, MLP in, MLP out. Every family has these; its config says what they are.</summary>
internal sealed class TransformerLayer(IModelConfig config) : IDisposable
{
    /// <summary>In front of attention.</summary>
    public required Norm AttentionNorm { get; init; }
    /// <summary>In front of the MLP.</summary>
    public required Norm MlpNorm { get; init; }
    /// <summary>Queries, keys and values: <c>[(n_heads + 2 n_kv_heads) d_head, d_model]</c>.</summary>
    public required Projection QueryKeyValue { get; init; }
    /// <summary>Mixed values back to the residual stream: <c>[d_model, n_heads d_head]</c>.</summary>
    public required Projection AttentionOutput { get; init; }
    /// <summary>Into the MLP's nonlinearity: <c>[d_mlp, d_model]</c>.</summary>
    public required Projection Up { get; init; }
    /// <summary>What the nonlinearity's output is multiplied by, <c>[d_mlp, d_model]</c>; null where the MLP is not gated.</summary>
    public Projection? Gated { get; init; }
    /// <summary>Out of the MLP: <c>[d_model, d_mlp]</c>.</summary>
    public required Projection Down { get; init; }
    /// <summary>The MLP's nonlinearity.</summary>
    public required MlpActivation Activation { get; init; }

    /// <summary>Bytes it takes in memory.</summary>
    public long Bytes => AttentionNorm.Bytes + MlpNorm.Bytes + QueryKeyValue.Bytes + AttentionOutput.Bytes + Up.Bytes + (Gated?.Bytes ?? 0) + Down.Bytes;

    /// <summary>What attention reads: the norm in front of it, <c>[batch, seq, d_model]</c> to the same.</summary>
    public Tensor AttnIn(Tensor x) => AttentionNorm.Apply(x);

    /// <summary>That to queries, keys and values before they are rotated, <c>[batch, seq, (n_heads + 2 n_kv_heads) d_head]</c>.</summary>
    public Tensor AttnQkv(Tensor normed) => QueryKeyValue.Apply(normed);

    /// <summary>Those to the values that attention has mixed, <c>[batch, seq, n_heads d_head]</c>.</summary>
    public Tensor AttnZ(Tensor heads, Positions positions, KvCache? cache, int layer)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = Rotated(heads, positions);
        if (cache is not null) (k, v) = cache.Append(layer, k, v);
        var mixed = scaled_dot_product_attention(q, Shared(k), Shared(v), positions.Mask!, is_casual: positions.IsCausal);
        return mixed.transpose(1, 2).reshape(heads.size(0), heads.size(1), config.NHeads * config.DHead).MoveToOuterDisposeScope();
    }

    /// <summary>Those to the attention block's output, <c>[batch, seq, d_model]</c>.</summary>
    public Tensor AttnOut(Tensor mixed) => AttentionOutput.Apply(mixed);

    /// <summary>The attention probabilities, <c>[batch, heads, query, key]</c>.</summary>
    public Tensor AttentionPattern(Tensor x, Positions positions)
    {
        using var scope = NewDisposeScope();
        var (q, k, _) = Rotated(AttnQkv(AttnIn(x)), positions);
        var scores = q.matmul(Shared(k).transpose(-2, -1)) / Math.Sqrt(config.DHead);
        long seq = x.size(1);
        var hidden = ones(seq, seq, ScalarType.Bool, x.device).triu(1);
        return scores.masked_fill(hidden, float.NegativeInfinity).softmax(-1).MoveToOuterDisposeScope();
    }

    /// <summary>What the MLP reads: the norm in front of it, <c>[batch, seq, d_model]</c> to the same.</summary>
    public Tensor MlpIn(Tensor x) => MlpNorm.Apply(x);

    /// <summary>The MLP up to its nonlinearity, <c>[batch, seq, d_model]</c> to <c>[batch, seq, d_mlp]</c>, and what the nonlinearity's output will be
    /// multiplied by; null where the MLP is not gated.</summary>
    public (Tensor Pre, Tensor? Gated) MlpPre(Tensor normed) => (Up.Apply(normed), Gated?.Apply(normed));

    /// <summary>The nonlinearity, and the gate's product.</summary>
    public Tensor MlpPost(Tensor pre, Tensor? gated)
    {
        var active = Nonlinear(pre);
        if (gated is null) return active;
        using (active) return active * gated;
    }

    /// <summary>The MLP from its nonlinearity to its output: <c>[batch, seq, d_mlp]</c> to <c>[batch, seq, d_model]</c>.</summary>
    public Tensor MlpOut(Tensor post) => Down.Apply(post);

    private Tensor Nonlinear(Tensor pre) => Activation switch
    {
        MlpActivation.Gelu => gelu(pre),
        MlpActivation.GeluTanh => gelu(pre, TorchSharp.Modules.GELU.Approximate.tanh, false),
        MlpActivation.Relu => relu(pre),
        _ => silu(pre),
    };

    private (Tensor Q, Tensor K, Tensor V) Rotated(Tensor all, Positions positions)
    {
        int head = config.DHead, queries = config.NHeads, keys = config.NKvHeads;
        if (config.HeadOrder == HeadOrder.ByHead)
        {
            var heads = all.view(all.size(0), all.size(1), queries, 3 * head).transpose(1, 2); // [batch, heads, seq, 3 d_head]
            return (positions.Rotate(heads.narrow(-1, 0, head)), positions.Rotate(heads.narrow(-1, head, head)), heads.narrow(-1, 2 * head, head));
        }
        var kinds = all.view(all.size(0), all.size(1), queries + 2 * keys, head).transpose(1, 2); // [batch, heads, seq, d_head]
        return (positions.Rotate(kinds.narrow(1, 0, queries)), positions.Rotate(kinds.narrow(1, queries, keys)), kinds.narrow(1, queries + keys, keys));
    }

    /// <summary>One key or value for each query: where queries share them, each is repeated for its group (Ainslie et al. 2023).</summary>
    private Tensor Shared(Tensor x) => config.NKvHeads == config.NHeads ? x
        : x.unsqueeze(2).expand(x.size(0), config.NKvHeads, config.NHeads / config.NKvHeads, x.size(2), x.size(3))
            .reshape(x.size(0), config.NHeads, x.size(2), x.size(3));

    public void Dispose()
    {
        foreach (var part in (IDisposable?[])[AttentionNorm, MlpNorm, QueryKeyValue, AttentionOutput, Up, Gated, Down]) part?.Dispose();
    }
}
