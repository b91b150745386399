using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Remembers the losses since it last looked, on their device, so that a non-finite one is named by its step without
/// waiting for the device at every step.</summary>
internal sealed class LossGuard : IDisposable
{
    private readonly Tensor losses;
    private long first = 1;
    private int count;

    /// <param name="capacity">The most steps between two looks.</param>
    public LossGuard(int capacity) => losses = zeros(capacity, ScalarType.Float32).DetachFromDisposeScope();

    /// <summary>Takes in the loss of a step, a scalar.</summary>
    public void Observe(long step, Tensor loss)
    {
        if (count == 0) first = step;
        using var slot = losses.narrow(0, count++, 1);
        slot.copy_(loss);
    }

    /// <summary>True when there is no room for another loss.</summary>
    public bool IsFull => count == losses.shape[0];

    /// <summary>Throws when one of the remembered losses is not finite, else forgets them.</summary>
    /// <param name="hook">Name of the hook, for the message.</param>
    /// <exception cref="InvalidOperationException">A loss was NaN or infinite.</exception>
    public void Look(string hook)
    {
        float[] values = losses.data<float>().ToArray();
        for (int i = 0; i < count; i++)
            if (!float.IsFinite(values[i]))
                throw new InvalidOperationException($"The loss of step {first + i} at {hook} is {values[i]}; training stops and the last "
                    + "checkpoint is kept. Use a lower learning rate, or look for non-finite activations at this hook.");
        count = 0;
    }

    public void Dispose() => losses.Dispose();
}
