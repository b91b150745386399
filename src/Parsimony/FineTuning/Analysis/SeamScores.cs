using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What the model with dials in its seam says of examples.</summary>
internal static class SeamScores
{
    /// <summary>What leaves the last layer, <c>[batch, longest, d_model]</c>, with the gradient of the dials.</summary>
    public static Tensor Residual(this DialSeam seam, IReadOnlyList<SftExample> rows, DialTap dials)
    {
        using var scope = NewDisposeScope();
        return Above(seam, seam.Prefixes.Batch([.. rows.Select(r => r.Tokens)]), dials(rows)).MoveToOuterDisposeScope();
    }

    /// <summary>ln p of each row's targets, summed over them, <c>[batch]</c>, float64, with the gradient of the residual.</summary>
    public static Tensor LogProbs(this DialSeam seam, IReadOnlyList<SftExample> rows, Tensor residual, double temperature)
    {
        using var scope = NewDisposeScope();
        var (targets, mask) = Targets(seam, rows);
        var logProbs = TokenLogProbs.FromResidual(seam.Model.Unembed, seam.Model.Config.DVocab, residual, targets, mask, temperature, entropies: false).LogProbs;
        return logProbs.to(ScalarType.Float64).sum([1L]).MoveToOuterDisposeScope();
    }

    /// <summary>The exact KL from the tapped model to the reference at each row's targets, summed over them, <c>[batch]</c>, float64, with the gradient of the residual.</summary>
    public static Tensor Kl(this DialSeam seam, IReadOnlyList<SftExample> rows, Tensor tuned)
    {
        using var scope = NewDisposeScope();
        Tensor reference;
        using (no_grad()) reference = Residual(seam, rows, seam.Rest());
        var where = Targets(seam, rows).Mask.reshape(-1).nonzero().squeeze(-1);
        long count = where.size(0), atATime = RowByRow.Rows(seam.Model.Config.DVocab);
        Tensor Those(Tensor x, Tensor which) => seam.Model.Unembed(x.reshape(-1, x.size(-1)).index_select(0, which));
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
    private static Tensor Above(DialSeam seam, HookState state, Tap? tap) => seam.Model.ResidualFrom(state, tap, seam.Model.IsStreamed ? seam.Saes.Select(s => s.At.Layer).ToHashSet() : null);

    /// <summary>At each position the token that follows it and whether it is to be predicted, <c>[batch, longest]</c>.</summary>
    private static (Tensor Targets, Tensor Mask) Targets(DialSeam seam, IReadOnlyList<SftExample> rows)
    {
        int longest = rows.Max(r => r.Tokens.Length);
        var (targets, mask) = (new long[rows.Count, longest], new bool[rows.Count, longest]);
        for (int row = 0; row < rows.Count; row++)
            for (int t = 1; t < rows[row].Tokens.Length; t++) (targets[row, t - 1], mask[row, t - 1]) = (rows[row].Tokens[t], rows[row].IsTarget(t));
        return (tensor(targets, device: seam.Model.Device), tensor(mask, device: seam.Model.Device));
    }
}
