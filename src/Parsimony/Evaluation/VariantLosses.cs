using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Evaluation;

/// <summary>
/// What variants of one model predict on the same batches: their next-token loss, and how far their distributions are from the first
/// variant's. Logits exist for a few tokens at a time only; a vocabulary is wide.
/// </summary>
/// <param name="model">Not owned.</param>
/// <param name="variants">The taps that make the variants; the first is what the others are compared with. null is the plain model.</param>
/// <param name="divergence">Whether to measure it; else <see cref="Kl"/> is 0.</param>
internal sealed class VariantLosses(Transformer model, IReadOnlyList<Tap?> variants, bool divergence = true) : IPartialSums
{
    private readonly double[] nats = new double[variants.Count], kl = new double[variants.Count];

    /// <summary>Tokens predicted so far.</summary>
    public long Predictions { get; private set; }

    /// <summary>Mean of -log p(next token) of a variant, nats per token.</summary>
    public double Ce(int variant) => nats[variant] / Predictions;

    /// <summary>Mean of KL(first variant || this one) over the same predictions, nats per token.</summary>
    public double Kl(int variant) => kl[variant] / Predictions;

    /// <summary>Counts a batch.</summary>
    /// <param name="state">Where the variants part.</param>
    /// <param name="windows">The tokens of the batch.</param>
    public void Add(HookState state, IReadOnlyList<EvaluationWindow> windows)
    {
        using var scope = NewDisposeScope();
        var targets = ValidTokens.Targets(windows).to(state.Activation.device);
        List<Tensor> residuals = [.. model.ResidualsFrom(state, variants).Select(x => ValidTokens.BeforeTargets(x, windows))];
        long chunk = RowByRow.Rows(model.Config.DVocab);
        for (long start = 0; start < targets.numel(); start += chunk)
            AddChunk(residuals, targets, start, Math.Min(chunk, targets.numel() - start));
        Predictions += targets.numel();
    }

    public IReadOnlyDictionary<string, double[]> Save() =>
        new Dictionary<string, double[]> { ["nats"] = nats, ["kl"] = kl, ["predictions"] = [Predictions] };

    public void Restore(IReadOnlyDictionary<string, double[]> saved)
    {
        saved["nats"].CopyTo(nats, 0);
        saved["kl"].CopyTo(kl, 0);
        Predictions = (long)saved["predictions"][0];
    }

    private void AddChunk(List<Tensor> residuals, Tensor targets, long start, long count)
    {
        using var scope = NewDisposeScope();
        var target = targets.narrow(0, start, count).unsqueeze(1);
        Tensor? reference = null;
        for (int i = 0; i < residuals.Count; i++)
        {
            using var inner = NewDisposeScope();
            // From log_softmax, not from probabilities: 0 * -inf has spoilt this figure elsewhere.
            var logP = log_softmax(model.Unembed(residuals[i].narrow(0, start, count)).to(ScalarType.Float32), -1);
            nats[i] -= Sum(logP.gather(1, target));
            if (!divergence) continue;
            if (reference is null) reference = logP.MoveToOuterDisposeScope();
            else kl[i] += Sum((reference - logP).mul_(reference.exp()));
        }
    }

    private static double Sum(Tensor t) => t.sum(1).to(ScalarType.Float64).sum().item<double>();
}
