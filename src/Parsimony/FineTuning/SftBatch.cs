using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Some examples side by side, padded on the right, and what is to be predicted at which position.</summary>
internal sealed class SftBatch
{
    private readonly IReadOnlyList<SftExample> examples;
    private readonly long[] positions, targets; // rows of [batch * longest] that predict a target, and the targets

    /// <summary>A batch.</summary>
    /// <param name="examples">One or more.</param>
    /// <param name="targetOrder">A permutation of the targets for a null run, of as many numbers as there are; null keeps them true.</param>
    public SftBatch(IReadOnlyList<SftExample> examples, Func<int, int[]>? targetOrder = null)
    {
        this.examples = examples;
        Rows = [.. examples.Select(e => e.Tokens)];
        Targets = examples.Sum(e => e.Targets);
        TokensSeen = examples.Sum(e => e.Tokens.Length);
        // Positions are told by their index, never by a token id: end of text and padding are often the same id.
        int longest = Rows.Max(row => row.Length);
        positions = [.. examples.SelectMany((e, row) => Enumerable.Range(1, e.Tokens.Length - 1).Where(e.IsTarget).Select(t => (long)row * longest + t - 1))];
        long[] order = [.. examples.SelectMany(e => e.Tokens.Where((_, t) => e.IsTarget(t))).Select(id => (long)id)];
        targets = targetOrder?.Invoke(Targets) is { } permuted ? [.. permuted.Select(i => order[i])] : order;
    }

    /// <summary>The token sequences, each at its own length.</summary>
    public IReadOnlyList<int[]> Rows { get; }

    /// <summary>Predictions that count, over all rows.</summary>
    public int Targets { get; }

    /// <summary>Tokens in all rows, padding not counted.</summary>
    public int TokensSeen { get; }

    /// <summary>The tokens of the batch at which an adapter acts, Bool, <c>[batch, longest]</c>; null: all. A response begins with an example's first target.</summary>
    public Tensor? Where(TokenPositions where) => where is TokenPositions.All ? null
        : PositionMask.Of(where, [.. examples.Select(e => new RowSpan(0, e.FirstTarget, e.Tokens.Length))], Rows.Max(row => row.Length));

    /// <summary>The cross-entropy summed over all targets of the batch, in nats. Divided by <see cref="Targets"/> it weighs every target
    /// alike, whichever row it is in.</summary>
    /// <param name="model">Gives the logits.</param>
    /// <param name="residual">What leaves its last layer, <c>[batch, longest, d_model]</c>.</param>
    public Tensor LossSum(Transformer model, Tensor residual)
    {
        using var scope = NewDisposeScope();
        var predicting = residual.reshape(-1, residual.size(2)).index_select(0, tensor(positions, device: residual.device));
        return NextTokenLoss.Sum(model, predicting, targets).MoveToOuterDisposeScope();
    }
}
