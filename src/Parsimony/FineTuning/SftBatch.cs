using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning;

/// <summary>Some examples side by side, padded on the right, and what is to be predicted at each position.</summary>
internal sealed class SftBatch
{
    // Positions are masked by their index, never by a token id: end of text and padding are often the same id.
    private const long NoTarget = -100;

    private readonly long[,] labels;        // [batch, longest - 1]: the token that follows each position

    /// <summary>A batch.</summary>
    /// <param name="examples">One or more.</param>
    /// <param name="targetOrder">A permutation of the targets for a null run, of as many numbers as there are; null keeps them true.</param>
    public SftBatch(IReadOnlyList<SftExample> examples, Func<int, int[]>? targetOrder = null)
    {
        Rows = [.. examples.Select(e => e.Tokens)];
        Targets = examples.Sum(e => e.Targets);
        TokensSeen = examples.Sum(e => e.Tokens.Length);
        labels = new long[Rows.Count, Rows.Max(row => row.Length) - 1];
        var targets = examples.SelectMany(e => e.Tokens.Where((_, t) => e.IsTarget(t))).ToArray();
        var order = targetOrder?.Invoke(Targets);
        int next = 0;
        for (int row = 0; row < Rows.Count; row++)
            for (int t = 0; t < labels.GetLength(1); t++)
                labels[row, t] = examples[row].IsTarget(t + 1) ? targets[order is null ? next++ : order[next++]] : NoTarget;
    }

    /// <summary>The token sequences, each at its own length.</summary>
    public IReadOnlyList<int[]> Rows { get; }

    /// <summary>Predictions that count, over all rows.</summary>
    public int Targets { get; }

    /// <summary>Tokens in all rows, padding not counted.</summary>
    public int TokensSeen { get; }

    /// <summary>The cross-entropy summed over all targets of the batch, in nats. Divided by <see cref="Targets"/> it weighs every target
    /// alike, whichever row it is in.</summary>
    /// <param name="logits"><c>[batch, longest, d_vocab]</c>.</param>
    public Tensor LossSum(Tensor logits)
    {
        using var scope = NewDisposeScope();
        var predictions = logits.narrow(1, 0, labels.GetLength(1)).reshape(-1, logits.size(2));
        return cross_entropy(predictions, tensor(labels).reshape(-1), ignore_index: NoTarget, reduction: nn.Reduction.Sum)
            .MoveToOuterDisposeScope();
    }
}
