using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// A rollout with what lies below the first hook point of an adapter, which it cannot change: run once, and shared by policy, reference and every epoch.
/// Rows that are scored together have the same bits each time, with gradient or without.
/// </summary>
internal sealed class FrozenRollout : IDisposable
{
    private readonly Transformer model;
    private readonly IAdapter adapter;
    private readonly Rollout rollout;
    private readonly HookState state;                                        // [batch, longest, ..]
    private readonly double temperature;
    private readonly IReadOnlySet<int>? tapped;

    /// <summary>Runs the rollout up to the hook.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">The policy.</param>
    /// <param name="rollout">The rollout; not owned.</param>
    /// <param name="temperature">It was sampled at.</param>
    /// <param name="recompute">Whether the backward pass runs the layers in which the adapter does not act again instead of keeping what it needs of them.</param>
    public FrozenRollout(Transformer model, IAdapter adapter, Rollout rollout, double temperature, bool recompute = false)
    {
        using var noGradient = no_grad();
        (this.model, this.adapter, this.rollout, this.temperature) = (model, adapter, rollout, temperature);
        tapped = recompute ? adapter.Layers() : null;
        state = model.RunTo(adapter.Hooks[0], rollout.Tokens).Keep();
    }

    /// <summary>ln p of the responses' tokens under the policy, with the gradient of what it learns.</summary>
    /// <param name="rows">Which rows.</param>
    /// <returns><c>[rows, seq]</c>.</returns>
    public Tensor LogProbs(long[] rows)
    {
        using var scope = NewDisposeScope();
        var part = new Part(this, rows);
        var predicting = part.Predicting(model.ResidualFrom(part.State, adapter.Tap(part.Where(adapter.Positions)), tapped));
        return TokenLogProbs.FromResidual(model.Unembed, model.Config.DVocab, predicting, part.Targets, part.Mask, temperature, entropies: false).LogProbs.MoveToOuterDisposeScope();
    }

    /// <summary>Policy and reference side by side, without gradient.</summary>
    /// <param name="batches">Rows to score together, each row in one of them: the minibatches of the first epoch, so that its ratios are exactly 1.</param>
    /// <param name="keepHidden">Whether the reference's hidden states are wanted.</param>
    public PolicyScores Score(IEnumerable<long[]> batches, bool keepHidden)
    {
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        Tensor Empty() => zeros(rollout.Mask.shape, device: model.Device);
        var (logProbs, referenceLogProbs, fullKl, entropies) = (Empty(), Empty(), Empty(), Empty());
        var hidden = keepHidden ? zeros([.. rollout.Mask.shape, model.Config.DModel], device: model.Device) : null;
        foreach (long[] rows in batches)
        {
            using var scope = NewDisposeScope();
            var part = new Part(this, rows);
            var residuals = model.ResidualsFrom(part.State, [adapter.Tap(part.Where(adapter.Positions)), adapter.Rest()]);
            var (ours, theirs) = (part.Predicting(residuals[0]), part.Predicting(residuals[1]));
            var where = part.Mask.reshape(-1).nonzero().squeeze(-1);         // of the tokens that count
            Tensor Those(Tensor x) => x.reshape(-1, x.size(-1)).index_select(0, where);
            var (x, y) = (Those(ours), Those(theirs));
            var targets = part.Targets.reshape(-1).index_select(0, where);
            List<Tensor> p = [], reference0 = [], kl = [], h = [];
            long atATime = RowByRow.Rows(model.Config.DVocab); // as TokenLogProbs does it: the bits depend on it
            for (long from = 0; from < where.size(0); from += atATime)
            {
                using var inner = NewDisposeScope();
                long count = Math.Min(atATime, where.size(0) - from);
                Tensor Normalised(Tensor residual) => TokenLogProbs.Normalised(model.Unembed(residual.narrow(0, from, count)), temperature);
                var (a, b) = (Normalised(x), Normalised(y));
                var chosen = targets.narrow(0, from, count);
                p.Add(TokenLogProbs.Chosen(a, chosen).MoveToOuterDisposeScope());
                reference0.Add(TokenLogProbs.Chosen(b, chosen).MoveToOuterDisposeScope());
                kl.Add(KlPenalty.OfNormalised(a, b).MoveToOuterDisposeScope());
                h.Add(TokenLogProbs.OfNormalised(a).MoveToOuterDisposeScope());
            }
            void Fill(Tensor into, List<Tensor> parts) => into.index_copy_(0, part.Rows, zeros(part.Mask.numel(), device: model.Device).index_copy(0, where, cat(parts)).view(part.Mask.shape));
            Fill(logProbs, p);
            Fill(referenceLogProbs, reference0);
            Fill(fullKl, kl);
            Fill(entropies, h);
            hidden?.index_copy_(0, part.Rows, model.FinalNorm(theirs));
        }
        return new PolicyScores(logProbs.MoveToOuterDisposeScope(), referenceLogProbs.MoveToOuterDisposeScope(), fullKl.MoveToOuterDisposeScope(),
            entropies.MoveToOuterDisposeScope(), hidden?.MoveToOuterDisposeScope());
    }

    public void Dispose() => state.Dispose();

    /// <summary>Some rows of it, no wider than the longest of them. Everything lives in the caller's scope.</summary>
    private sealed class Part
    {
        private readonly RowSpan[] spans;
        private readonly Tensor positions; // [rows * seq], of the tokens that predict a response's, in the flattened residual stream

        public Part(FrozenRollout all, long[] rows)
        {
            using var noGradient = no_grad();
            var device = all.model.Device;
            Rows = tensor(rows, device: device);
            int[] prompts = [.. rows.Select(r => all.rollout.Prompts[(int)r].Tokens.Length)];
            int width = rows.Select((r, i) => prompts[i] + all.rollout.Responses[(int)r].Length).Max(), seq = (int)all.rollout.Mask.size(1);
            Tensor Select(Tensor t) => t.index_select(0, Rows).narrow(1, 0, width);
            State = new HookState(all.state.At, Select(all.state.Activation),
                all.state.Residual is { } residual ? Select(residual) : null, all.state.Gated is { } gated ? Select(gated) : null);
            spans = [.. rows.Select((r, i) => new RowSpan(0, prompts[i], prompts[i] + all.rollout.Responses[(int)r].Length))];
            (Mask, Targets) = (all.rollout.Mask.index_select(0, Rows), all.rollout.ResponseTokens.index_select(0, Rows));
            long[] flat = [.. rows.SelectMany((_, i) => Enumerable.Range(0, seq).Select(t => (long)i * width + Math.Min(prompts[i] - 1 + t, width - 1)))];
            positions = tensor(flat, device: device);
        }

        public Tensor Rows { get; }

        public HookState State { get; }

        public Tensor Mask { get; }

        public Tensor Targets { get; }

        /// <summary>Bool, <c>[rows, longest]</c>: the tokens at which an adapter acts; null: all.</summary>
        public Tensor? Where(TokenPositions where) => where is TokenPositions.All ? null : PositionMask.Of(where, spans, (int)State.Activation.size(1));

        /// <summary>Where each response's tokens are predicted, <c>[rows, longest, d]</c> to <c>[rows, seq, d]</c>.</summary>
        public Tensor Predicting(Tensor residual) => residual.reshape(-1, residual.size(-1)).index_select(0, positions).view(Mask.size(0), Mask.size(1), -1);
    }
}
