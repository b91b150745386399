using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Adam that a flag on the device can hold still: the flag is never read, it chooses constants under which the same arithmetic changes no bit.</summary>
internal sealed class AdamSwitch : IDisposable
{
    private readonly Tensor moving, still; // [3]: see Constants

    /// <param name="options">Adam's constants.</param>
    /// <param name="device">Where the weights are.</param>
    public AdamSwitch(SaeTrainingOptions options, Device device)
    {
        moving = Kept((float)(1 - options.AdamBeta1), (float)options.AdamBeta2, (float)options.AdamEpsilon);
        still = Kept(0, 1, float.PositiveInfinity);
        Tensor Kept(params float[] values) => tensor(values, device: device).DetachFromDisposeScope();
    }

    /// <summary>How far the mean moves toward the gradient, what stays of the mean square, what is added to the denominator: <c>[3]</c>. While the flag is false
    /// 0, 1 and infinity, so that with a gradient of zero neither moments nor parameter change.</summary>
    /// <param name="on">A scalar, bool.</param>
    public Tensor Constants(Tensor on) => where(on, moving, still);

    public void Dispose()
    {
        moving.Dispose();
        still.Dispose();
    }
}
