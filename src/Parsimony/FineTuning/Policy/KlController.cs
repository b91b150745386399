using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// The KL coefficient beta: fixed, or steered toward a target by <c>beta *= 1 + clip(KL / target - 1, -0.2, 0.2) n / horizon</c> after each n
/// responses (Ziegler et al. 2019, section 2.2).
/// </summary>
public sealed class KlController : IDisposable
{
    private readonly double? target;
    private readonly double horizon;

    /// <summary>A controller at its start.</summary>
    /// <param name="coefficient">beta, 0 or more; above 0 where it is steered, for 0 would stay 0.</param>
    /// <param name="target">Nats per response, above 0; null keeps beta as it is. Ziegler et al. took 6.</param>
    /// <param name="horizon">In responses, above 0: the larger, the slower beta moves. Default 10,000.</param>
    /// <exception cref="ArgumentException">A number is out of its range.</exception>
    public KlController(double coefficient, double? target = null, double horizon = 10_000)
    {
        if (!double.IsFinite(coefficient) || coefficient < 0 || (target is not null && coefficient == 0)) throw new ArgumentException(
            $"the KL coefficient is {coefficient}; it must be 0 or more, and above 0 where it is steered.", nameof(coefficient));
        if (target is { } wanted && !(double.IsFinite(wanted) && wanted > 0)) throw new ArgumentException(
            $"the KL target is {wanted}; it must be above 0 nats per response, or not set.", nameof(target));
        if (!(horizon > 0)) throw new ArgumentException($"the horizon is {horizon}; it must be above 0 responses.", nameof(horizon));
        (this.target, this.horizon) = (target, horizon);
        State = tensor(new[] { coefficient }).DetachFromDisposeScope();
    }

    /// <summary>All that changes: beta in float64, <c>[1]</c>. A checkpoint saves it and copies into it.</summary>
    public Tensor State { get; }

    /// <summary>beta as it is.</summary>
    public double Coefficient => State.item<double>();

    /// <summary>Takes in a batch of responses.</summary>
    /// <param name="kl">Mean over the responses of the sum of kl_t (k1) over their tokens, nats per response.</param>
    /// <param name="responses">n, how many there were.</param>
    public void Update(double kl, long responses)
    {
        if (target is not { } wanted) return;
        using var noGradient = no_grad();
        State.mul_(1 + Math.Clamp(kl / wanted - 1, -0.2, 0.2) * responses / horizon);
    }

    /// <inheritdoc/>
    public void Dispose() => State.Dispose();
}
