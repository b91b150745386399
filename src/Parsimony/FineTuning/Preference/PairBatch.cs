using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>Some pairs side by side: their chosen completions above, their rejected ones below, padded on the right.</summary>
internal sealed class PairBatch
{
    private readonly IReadOnlyList<SftExample> examples;
    private readonly long[,] targets; // [2 pairs, longest - 1], of the token after each position
    private readonly bool[,] mask;
    private readonly RowSpan[] spans;

    /// <summary>A batch.</summary>
    /// <param name="pairs">One or more, as examples whose token arrays are the same each time, so that states below the hook can be kept for them.</param>
    public PairBatch(IReadOnlyList<(SftExample Chosen, SftExample Rejected)> pairs)
    {
        examples = [.. pairs.Select(p => p.Chosen), .. pairs.Select(p => p.Rejected)];
        int longest = examples.Max(e => e.Tokens.Length);
        (targets, mask) = (new long[examples.Count, longest - 1], new bool[examples.Count, longest - 1]);
        foreach (var (row, e) in examples.Index())
            for (int t = 1; t < e.Tokens.Length; t++)
                if (e.IsTarget(t)) (targets[row, t - 1], mask[row, t - 1]) = (e.Tokens[t], true);
        spans = [.. examples.Select(e => new RowSpan(0, e.FirstTarget, e.Tokens.Length))];
    }

    public int Pairs => examples.Count / 2;

    public long TokensSeen => examples.Sum(e => (long)e.Tokens.Length);

    /// <summary>ln p of each completion's tokens summed, and how many they are, <c>[2 pairs]</c> each; the chosen ones first.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prefixes">States below the adapter.</param>
    /// <param name="adapter">The adapter.</param>
    /// <param name="atRest">Whether it is at rest.</param>
    /// <param name="tapped">The layers in which it acts, where the others are to be run again in the backward pass.</param>
    public (Tensor LogProbs, Tensor Tokens) Score(Transformer model, PrefixCache prefixes, IAdapter adapter, bool atRest, IReadOnlySet<int>? tapped = null)
    {
        using var scope = NewDisposeScope();
        var state = prefixes.Batch([.. examples.Select(e => e.Tokens)]);
        int width = (int)state.Activation.size(1);
        var where = adapter.Positions is TokenPositions.All ? null : PositionMask.Of(adapter.Positions, spans, width);
        var residual = model.ResidualFrom(state, atRest ? adapter.Rest() : adapter.Tap(where), tapped);
        Tensor counted = tensor(mask, device: residual.device), next = tensor(targets, device: residual.device);
        var scores = TokenLogProbs.FromResidual(model.Unembed, model.Config.DVocab, residual.narrow(1, 0, width - 1), next, counted, entropies: false);
        return (Masked.SumPerRow(scores.LogProbs, counted).MoveToOuterDisposeScope(), counted.sum([1L]).MoveToOuterDisposeScope());
    }

    /// <summary>The two halves of what was scored.</summary>
    public (CompletionScores Chosen, CompletionScores Rejected) Halves(Tensor logProbs, Tensor? reference, Tensor tokens)
    {
        CompletionScores Half(long from) => new(logProbs.narrow(0, from, Pairs), reference?.narrow(0, from, Pairs), tokens.narrow(0, from, Pairs));
        return (Half(0), Half(Pairs));
    }
}
