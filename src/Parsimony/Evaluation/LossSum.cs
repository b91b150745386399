using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Evaluation;

/// <summary>The next-token loss of one variant of the model, summed in float64 over batches.</summary>
internal sealed class LossSum(Tap? tap = null)
{
    private double nats;
    private long predictions;

    /// <summary>Nats per predicted token.</summary>
    public double Mean => nats / predictions;

    public void Add(GptNeoX model, HookState state, Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var losses = NextTokenLoss.PerToken(model.RunFrom(state, tap), tokens);
        nats += losses.to(ScalarType.Float64).sum().item<double>();
        predictions += losses.numel();
    }
}
