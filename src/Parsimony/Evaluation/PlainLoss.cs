using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>The loss of a model as it is.</summary>
public static class PlainLoss
{
    /// <summary>Mean of -log p(next token) over all predicted tokens, nats per token.</summary>
    /// <param name="model">The model.</param>
    /// <param name="windows">What it is measured on.</param>
    /// <param name="batchWindows">Windows per forward pass, 1 or more.</param>
    /// <param name="progress">Told after every batch.</param>
    /// <param name="cancellation">Ends the measurement between two batches.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static double Of(Transformer model, EvaluationWindows windows, int batchWindows = 8, IProgress<EvaluationProgress>? progress = null, CancellationToken cancellation = default)
    {
        var batches = new EvaluationBatches(windows, batchWindows, ["losses"], progress, null, cancellation);
        var losses = new VariantLosses(model, [null], divergence: false);
        using var noGradient = no_grad();
        foreach (var batch in batches.Each("losses"))
        {
            using var scope = NewDisposeScope();
            losses.Add(model.RunTo(new HookPoint(0, HookSite.ResidPre), ValidTokens.Padded(batch)), batch);
        }
        return losses.Ce(0);
    }
}
