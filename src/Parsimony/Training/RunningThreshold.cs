using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The smallest activation that a TopK lets through, as a running mean over batches: the threshold that stands for the selection once trained.</summary>
/// <param name="options">From when it is averaged, and how.</param>
/// <param name="device">Where the activations are; null: the processor.</param>
internal sealed class RunningThreshold(TopKOptions options, Device? device = null) : IDisposable
{
    private readonly Tensor value = zeros(1, ScalarType.Float64, device).DetachFromDisposeScope();

    /// <summary>Takes in a batch's smallest kept activation: taken over as it is until the first batch after <see cref="TopKOptions.ThresholdAfterTokens"/>,
    /// from then on averaged.</summary>
    /// <param name="smallest">A scalar.</param>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="batch">Tokens of a batch.</param>
    public void Observe(Tensor smallest, long step, long batch)
    {
        using var scope = NewDisposeScope();
        var now = smallest.to(ScalarType.Float64).view(1);
        if ((step - 2) * batch > options.ThresholdAfterTokens) value.mul_(options.ThresholdDecay).add_(now, alpha: 1 - options.ThresholdDecay);
        else value.copy_(now);
    }

    /// <summary>One threshold for all, <c>[d_sae]</c> float32; the caller's.</summary>
    public Tensor Of(int dSae)
    {
        using var single = value.to(ScalarType.Float32);
        return single.expand(dSae).clone();
    }

    /// <summary>For the checkpoint; stays this object's.</summary>
    public (string Name, Tensor Tensor) State => ("threshold", value);

    public void Dispose() => value.Dispose();
}
