using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Bench;

/// <summary>
/// What peers run to harvest <c>blocks.1.mlp_out</c> of GPT-NeoX: every layer up to and including the hooked one, whole, one operation after the other as the model's definition says them
/// (attention by two products and a softmax), the rotary table at hand.
/// </summary>
internal sealed class StraightforwardHarvest : IDisposable
{
    private readonly GptNeoXConfig config;
    private readonly Dictionary<string, Tensor> weights;
    private readonly Tensor cos, sin, hidden; // [seq, rotary], [seq, seq]
    private readonly int rotary;

    public StraightforwardHarvest(GptNeoXConfig config, IWeightSource source, int sequenceLength)
    {
        this.config = config;
        weights = source.Names.Where(name => name.Contains("embed_in", StringComparison.Ordinal) || name.Contains("layers.0.", StringComparison.Ordinal) || name.Contains("layers.1.", StringComparison.Ordinal))
            .ToDictionary(name => name, source.Read);
        rotary = config.RotaryWidth;
        using var scope = NewDisposeScope();
        var angles = arange(sequenceLength, ScalarType.Float32).unsqueeze(1) * pow(10_000.0, arange(0, rotary / 2, ScalarType.Float32) * (-2.0 / rotary));
        angles = cat([angles, angles], 1);
        (cos, sin) = (angles.cos().DetachFromDisposeScope(), angles.sin().DetachFromDisposeScope());
        hidden = ones(sequenceLength, sequenceLength, ScalarType.Bool).triu(1).DetachFromDisposeScope();
    }

    /// <summary><c>[batch, seq]</c> tokens to <c>[batch, seq, d_model]</c>.</summary>
    public Tensor Run(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var x = weights["gpt_neox.embed_in.weight"].index_select(0, tokens.view(-1)).view(tokens.shape[0], tokens.shape[1], config.DModel);
        for (int layer = 0; ; layer++)
        {
            string at = $"gpt_neox.layers.{layer}.";
            var attention = Attention(Normed(x, at + "input_layernorm"), at + "attention.");
            var mlp = Linear(gelu(Linear(Normed(x, at + "post_attention_layernorm"), at + "mlp.dense_h_to_4h")), at + "mlp.dense_4h_to_h");
            if (layer == 1) return mlp.MoveToOuterDisposeScope();
            x = mlp + attention + x;
        }
    }

    public void Dispose()
    {
        foreach (var tensor in (Tensor[])[.. weights.Values, cos, sin, hidden]) tensor.Dispose();
    }

    private Tensor Attention(Tensor x, string at)
    {
        int head = config.DModel / config.NHeads;
        var all = Linear(x, at + "query_key_value").view(x.shape[0], x.shape[1], config.NHeads, 3 * head).transpose(1, 2);
        var (q, k, v) = (Rotated(all.narrow(-1, 0, head)), Rotated(all.narrow(-1, head, head)), all.narrow(-1, 2 * head, head));
        var scores = q.matmul(k.transpose(-2, -1)).div_(Math.Sqrt(head)).masked_fill_(hidden, float.NegativeInfinity);
        return Linear(scores.softmax(-1).matmul(v).transpose(1, 2).reshape(x.shape), at + "dense");
    }

    private Tensor Rotated(Tensor x)
    {
        var (turned, rest) = (x.narrow(-1, 0, rotary), x.narrow(-1, rotary, x.shape[^1] - rotary));
        var halves = turned.chunk(2, -1);
        return cat([turned * cos + cat([-halves[1], halves[0]], -1) * sin, rest], -1);
    }

    private Tensor Normed(Tensor x, string name) => layer_norm(x, [config.DModel], weights[name + ".weight"], weights[name + ".bias"], config.LayerNormEpsilon);

    private Tensor Linear(Tensor x, string name) => linear(x, weights[name + ".weight"], weights[name + ".bias"]);
}
