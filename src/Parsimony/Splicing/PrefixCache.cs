using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Splicing;

/// <summary>
/// What lies below the seam is frozen, so it is the same in every variant and every epoch: each token sequence is run up to the
/// hook once and its state kept in memory while the budget lasts; what does not fit is computed anew each time. A sequence always
/// runs alone, at its own length, so that its state has the same bits whether it was kept or recomputed and whatever batch it is in.
/// </summary>
public sealed class PrefixCache : IDisposable
{
    // Sequences are told apart by reference: the caller's list of contexts is the list of keys.
    private readonly Dictionary<int[], HookState> kept = new(ReferenceEqualityComparer.Instance);

    /// <summary>An empty cache.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="at">The hook point to run up to.</param>
    /// <param name="budgetBytes">The most memory the kept states may take, in bytes; 0 keeps none.</param>
    public PrefixCache(Transformer model, HookPoint at, long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(budgetBytes);
        (Model, At, BudgetBytes) = (model, at, budgetBytes);
    }

    /// <summary>The model whose prefix is kept.</summary>
    public Transformer Model { get; }

    /// <summary>Where the prefix ends.</summary>
    public HookPoint At { get; }

    /// <summary>The most bytes the kept states may take.</summary>
    public long BudgetBytes { get; }

    /// <summary>Bytes of the states kept now.</summary>
    public long BytesKept { get; private set; }

    /// <summary>Tokens run through the prefix so far.</summary>
    public long TokensComputed { get; private set; }

    /// <summary>Tokens whose state was taken from memory instead.</summary>
    public long TokensReused { get; private set; }

    /// <summary>The states of some sequences as one batch, ready for <see cref="Transformer.RunFrom"/>.</summary>
    /// <param name="rows">Token sequences, one or more, each of one token or more. Shorter ones are padded with zeros on the right,
    /// which no earlier token can see.</param>
    /// <returns><c>[batch, longest, width]</c>; without gradient; the caller owns it.</returns>
    public HookState Batch(IReadOnlyList<int[]> rows)
    {
        if (rows.Count == 0) throw new ArgumentException("a batch needs one token sequence or more.", nameof(rows));
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        int longest = rows.Max(row => row.Length);
        var states = rows.Select(State).ToList();
        var activation = Stack(states.Select(s => s.Activation));
        var residual = states[0].Residual is null ? null : Stack(states.Select(s => s.Residual!));
        var gated = states[0].Gated is null ? null : Stack(states.Select(s => s.Gated!));
        return new HookState(At, activation.MoveToOuterDisposeScope(), residual?.MoveToOuterDisposeScope(), gated?.MoveToOuterDisposeScope());

        Tensor Stack(IEnumerable<Tensor> tensors) =>
            cat(tensors.Select(t => t.size(1) == longest ? t : pad(t, [0, 0, 0, longest - t.size(1)])).ToList(), 0);
    }

    private HookState State(int[] tokens)
    {
        if (kept.TryGetValue(tokens, out var known))
        {
            TokensReused += tokens.Length;
            return known;
        }
        TokensComputed += tokens.Length;
        using var row = ContextPacker.ToTensor([tokens]);
        var state = Model.RunTo(At, row);
        if (BytesKept + state.Bytes > BudgetBytes) return state; // it lives in the caller's scope
        BytesKept += state.Bytes;
        return kept[tokens] = state.Keep();
    }

    /// <summary>Frees every kept state.</summary>
    public void Dispose()
    {
        foreach (var state in kept.Values) state.Dispose();
        kept.Clear();
        BytesKept = 0;
    }
}
