using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>Cross-entropy of the next token, in nats per token.</summary>
public static class NextTokenLoss
{
    /// <summary>The loss summed over predictions, from the residual stream; logits exist for some of them at a time only, see <see cref="RowByRow"/>.</summary>
    /// <param name="model">Gives the logits.</param>
    /// <param name="residual">What leaves the last layer at the predicting positions, <c>[predictions, d_model]</c>.</param>
    /// <param name="targets">The tokens that follow, one for each prediction.</param>
    /// <returns>A scalar, nats.</returns>
    public static Tensor Sum(Transformer model, Tensor residual, ReadOnlyMemory<long> targets)
    {
        using var scope = NewDisposeScope();
        return RowByRow.Of((x, from) =>
        {
            using var inner = NewDisposeScope();
            var these = targets.Slice(from, (int)x.size(0)).ToArray();
            return cross_entropy(model.Unembed(x), tensor(these, device: x.device), reduction: nn.Reduction.None).MoveToOuterDisposeScope();
        }, residual, RowByRow.Rows(model.Config.DVocab)).sum().MoveToOuterDisposeScope();
    }

    /// <summary>The loss of each prediction: position t's logits against token t + 1.</summary>
    /// <param name="logits"><c>[batch, seq, d_vocab]</c>.</param>
    /// <param name="tokens"><c>[batch, seq]</c>, int64.</param>
    /// <returns><c>[batch, seq - 1]</c>, nats.</returns>
    public static Tensor PerToken(Tensor logits, Tensor tokens)
    {
        if (logits.dim() != 3 || tokens.dim() != 2 || logits.size(0) != tokens.size(0) || logits.size(1) != tokens.size(1) || tokens.size(1) < 2)
            throw new ArgumentException($"logits [{string.Join(", ", logits.shape)}] and tokens [{string.Join(", ", tokens.shape)}] do not fit; "
                + "expected [batch, seq, d_vocab] and [batch, seq] with seq of 2 or more.");
        using var scope = NewDisposeScope();
        long seq = tokens.size(1);
        var predicted = logits.narrow(1, 0, seq - 1).reshape(-1, logits.size(2));
        var targets = tokens.narrow(1, 1, seq - 1).reshape(-1);
        return cross_entropy(predicted, targets, reduction: nn.Reduction.None).view(-1, seq - 1).MoveToOuterDisposeScope();
    }

    /// <summary>The mean of <see cref="PerToken"/> over all predictions, a scalar.</summary>
    public static Tensor Mean(Tensor logits, Tensor tokens)
    {
        using var each = PerToken(logits, tokens);
        return each.mean();
    }
}
