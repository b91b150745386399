using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Remembers, on their device, the losses since it last looked and where each step's numbers first stopped being finite, so that a fault is named
/// by step, activation or latent without waiting for the device at every step.</summary>
internal sealed class LossGuard : IDisposable
{
    private const int Loss = 0, Coordinate = 1, Latent = 2;
    private readonly Tensor seen; // [capacity, 3] float64: loss, first coordinate and first latent that are not finite or -1
    private long first = 1;
    private int count;

    /// <param name="capacity">The most steps between two looks.</param>
    /// <param name="device">Where the steps are done; null: the processor.</param>
    public LossGuard(int capacity, Device? device = null) => seen = zeros(capacity, 3, ScalarType.Float64, device).DetachFromDisposeScope();

    /// <summary>Takes in a step.</summary>
    /// <param name="step">Its number.</param>
    /// <param name="result">What it saw.</param>
    /// <param name="x">Its batch, <c>[batch, d_model]</c>.</param>
    public void Observe(long step, SaeStepResult result, Tensor x)
    {
        using var scope = NewDisposeScope();
        if (count == 0) first = step;
        var slot = seen[count++];
        slot[Loss] = result.Loss.to(ScalarType.Float64);
        slot[Coordinate] = FirstNotFinite(SaeGradients.OverTokens(x));
        slot[Latent] = result.Sums is { } sums ? FirstNotFinite(sums) : -1.0;
    }

    /// <summary>True when there is no room for another step.</summary>
    public bool IsFull => count == seen.shape[0];

    /// <summary>Throws when one of the remembered losses is not finite, else forgets them.</summary>
    /// <param name="hook">Name of the hook, for the message.</param>
    /// <exception cref="InvalidOperationException">A loss was NaN or infinite; the message names the step, the hook, and the activation or latent it began at.</exception>
    public void Look(string hook)
    {
        using var here = seen.cpu();
        double[] values = here.data<double>().ToArray();
        for (int i = 0; i < count; i++)
        {
            var (loss, coordinate, latent) = (values[3 * i + Loss], values[3 * i + Coordinate], values[3 * i + Latent]);
            if (double.IsFinite(loss)) continue;
            throw new InvalidOperationException(coordinate >= 0
                ? $"The activations of step {first + i} at {hook} are not finite (first at coordinate {coordinate}); training stops and the last checkpoint "
                    + "is kept. Look at the model and the text there."
                : $"The loss of step {first + i} at {hook} is {loss}{(latent >= 0 ? $", and latent {latent} is the first that is not finite" : "")}; training "
                    + "stops and the last checkpoint is kept. Use a lower learning rate.");
        }
        count = 0;
    }

    public void Dispose() => seen.Dispose();

    // The index of the first element that is not finite, -1 without one; stays on the device.
    private static Tensor FirstNotFinite(Tensor values)
    {
        var bad = values.isfinite().logical_not();
        return where(bad.any(), bad.to(ScalarType.Int64).argmax(), full(1, -1L, ScalarType.Int64, values.device)).to(ScalarType.Float64).reshape([]);
    }
}
