using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What dials act on: a frozen model, run once up to the hook, and the SAE in its seam.</summary>
/// <param name="Prefixes">Gives the states at the hook point; not owned.</param>
/// <param name="Sae">The SAE there; not owned.</param>
/// <param name="Mode">How it is spliced in.</param>
public sealed record DialSeam(PrefixCache Prefixes, ISparseAutoencoder Sae, SpliceMode Mode)
{
    /// <summary>The model.</summary>
    public Transformer Model => Prefixes.Model;

    /// <summary>The hook point.</summary>
    public HookPoint At => Prefixes.At;

    /// <summary>The SAE with these dials; its tensors are in the caller's scope.</summary>
    /// <exception cref="ArgumentException">The change is of another number of latents.</exception>
    public Tap With(DialChange change)
    {
        var (scale, shift) = change.Tensors(Sae.WDec.device);
        return Taps.Splice(At, Sae, Mode, scale, shift);
    }

    /// <summary>The reference: the dials at rest, by the same arithmetic. In delta mode it is bitwise the plain model.</summary>
    public Tap? Rest() => Mode is SpliceMode.Delta ? null : With(DialChange.None(Sae.DSae));

    /// <summary>The same with dials for each row of a batch, so that one backward pass gives the gradient of each row apart.</summary>
    /// <param name="scale">c, <c>[batch, 1, d_sae]</c>.</param>
    /// <param name="shift">d, <c>[batch, 1, d_sae]</c>.</param>
    internal Tap WithEach(Tensor scale, Tensor shift) => (here, x) =>
    {
        if (here != At) return x;
        using var scope = NewDisposeScope();
        var m = x.dtype == Sae.WDec.dtype ? x : x.to(Sae.WDec.dtype);
        var z = Sae.PreActivations(m);                   // [batch, seq, d_sae]
        var f = Taps.Turned(Sae, z, scale, shift);
        var spliced = Mode is SpliceMode.Replace ? Sae.Decode(f) : m + (f - Sae.Activate(z)).matmul(Sae.WDec);
        return (spliced.dtype == x.dtype ? spliced : spliced.to(x.dtype)).MoveToOuterDisposeScope();
    };

    /// <summary>ln p of each row's targets, summed over them, <c>[batch]</c>, float64, with the gradient of the tap.</summary>
    internal Tensor LogProbs(IReadOnlyList<SftExample> rows, Tap? tap, double temperature)
    {
        using var scope = NewDisposeScope();
        var (targets, mask) = Targets(rows);
        var residual = Above(Prefixes.Batch([.. rows.Select(r => r.Tokens)]), tap);
        var logProbs = TokenLogProbs.FromResidual(Model.Unembed, Model.Config.DVocab, residual, targets, mask, temperature, entropies: false).LogProbs;
        return logProbs.to(ScalarType.Float64).sum([1L]).MoveToOuterDisposeScope();
    }

    /// <summary>The exact KL from the tapped model to the reference at each row's targets, summed over them, <c>[batch]</c>, float64, with the gradient of the tap.</summary>
    internal Tensor Kl(IReadOnlyList<SftExample> rows, Tap? tap)
    {
        using var scope = NewDisposeScope();
        var state = Prefixes.Batch([.. rows.Select(r => r.Tokens)]);
        Tensor reference;
        using (no_grad()) reference = Model.ResidualFrom(state, Rest());
        var tuned = Above(state, tap);
        var where = Targets(rows).Mask.reshape(-1).nonzero().squeeze(-1);
        long count = where.size(0), atATime = RowByRow.Rows(Model.Config.DVocab);
        Tensor Those(Tensor x, Tensor which) => Model.Unembed(x.reshape(-1, x.size(-1)).index_select(0, which));
        var parts = new List<Tensor>();
        for (long from = 0; from < count; from += atATime)
        {
            using var part = NewDisposeScope();
            var which = where.narrow(0, from, Math.Min(atATime, count - from));
            Tensor theirs;
            using (no_grad()) theirs = Those(reference, which);
            parts.Add(Policy.KlPenalty.Full(Those(tuned, which), theirs).MoveToOuterDisposeScope());
        }
        var each = zeros(tuned.size(0) * tuned.size(1), device: tuned.device).index_copy(0, where, cat(parts)).view(tuned.size(0), tuned.size(1));
        return each.to(ScalarType.Float64).sum([1L]).MoveToOuterDisposeScope();
    }

    // A streamed model keeps no layer for the backward pass.
    private Tensor Above(HookState state, Tap? tap) => Model.ResidualFrom(state, tap, Model.IsStreamed ? new HashSet<int> { At.Layer } : null);

    /// <summary>At each position the token that follows it and whether it is to be predicted, <c>[batch, longest]</c>.</summary>
    private (Tensor Targets, Tensor Mask) Targets(IReadOnlyList<SftExample> rows)
    {
        int longest = rows.Max(r => r.Tokens.Length);
        var (targets, mask) = (new long[rows.Count, longest], new bool[rows.Count, longest]);
        for (int row = 0; row < rows.Count; row++)
            for (int t = 1; t < rows[row].Tokens.Length; t++) (targets[row, t - 1], mask[row, t - 1]) = (rows[row].Tokens[t], rows[row].IsTarget(t));
        return (tensor(targets, device: Model.Device), tensor(mask, device: Model.Device));
    }
}
