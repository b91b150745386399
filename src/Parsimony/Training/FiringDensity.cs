using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>On which fraction of recent tokens each latent fired. Two windows, the last full one and the running one, so that the answer
/// never rests on a handful of tokens just after a reset.</summary>
internal sealed class FiringDensity : IDisposable
{
    private readonly long windowSteps;
    private readonly Tensor before;  // [d_sae] float64, counts of the last full window
    private readonly Tensor running; // [d_sae] float64, counts of the running one

    public FiringDensity(int dSae, long windowSteps, Device? device = null)
    {
        this.windowSteps = windowSteps;
        before = zeros(dSae, ScalarType.Float64, device).DetachFromDisposeScope();
        running = zeros(dSae, ScalarType.Float64, device).DetachFromDisposeScope();
    }

    /// <summary>Takes in one step's firing counts, <c>[d_sae]</c>.</summary>
    /// <param name="fires">Tokens on which each latent fired.</param>
    /// <param name="step">Number of the step, from 1.</param>
    public void Observe(Tensor fires, long step)
    {
        running.add_(fires);
        if (step % windowSteps != 0) return;
        before.copy_(running);
        running.zero_();
    }

    /// <summary>Tokens that <see cref="Values"/> rests on after a number of steps.</summary>
    public long Tokens(long steps, int batchTokens) => (steps < windowSteps ? steps : windowSteps + steps % windowSteps) * batchTokens;

    /// <summary>Density per latent, 0 to 1.</summary>
    public double[] Values(long steps, int batchTokens)
    {
        using var scope = NewDisposeScope();
        return (before + running).div_(Math.Max(1, Tokens(steps, batchTokens))).cpu().data<double>().ToArray();
    }

    /// <summary>For the checkpoint; belongs to the caller's dispose scope.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State() =>
        [new("density.before", before), new("density.running", running)];

    public void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        before.copy_(state["density.before"]);
        running.copy_(state["density.running"]);
    }

    public void Dispose()
    {
        before.Dispose();
        running.Dispose();
    }
}
