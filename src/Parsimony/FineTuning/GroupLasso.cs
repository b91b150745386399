using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// The penalty <c>lambda * sum_j sqrt(gamma_j^2 + d_j^2)</c>, which lets whole latents go: after an optimiser step its proximal operator
/// <c>v_j = v_j * max(0, 1 - t / |v_j|)</c> on the pairs <c>v_j = (gamma_j, d_j)</c> shortens each by t = learning rate x lambda and puts
/// those that are no longer than t exactly at rest (Yuan and Lin 2006; Parikh and Boyd 2014, section 6.5.1).
/// </summary>
public static class GroupLasso
{
    /// <summary>Applies the operator in place.</summary>
    /// <param name="gamma">c - 1, <c>[d_sae]</c>.</param>
    /// <param name="shift">d, <c>[d_sae]</c>.</param>
    /// <param name="threshold">t, 0 or more; 0 changes nothing.</param>
    /// <exception cref="ArgumentException">The vectors are not of one shape, or the threshold is not a number of 0 or more.</exception>
    public static void Shrink(Tensor gamma, Tensor shift, double threshold)
    {
        if (!gamma.shape.AsSpan().SequenceEqual(shift.shape)) throw new ArgumentException(
            $"gamma is [{string.Join(", ", gamma.shape)}] and shift [{string.Join(", ", shift.shape)}]; expected one shape, [d_sae].");
        if (!double.IsFinite(threshold) || threshold < 0) throw new ArgumentException(
            $"the threshold is {threshold}; it must be 0 or more.", nameof(threshold));
        if (threshold == 0) return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var length = hypot(gamma, shift);                                    // [d_sae]
        var resting = length <= threshold;
        var kept = (1 - threshold / length).masked_fill(resting, 0);
        gamma.mul_(kept).masked_fill_(resting, 0);                           // and no -0
        shift.mul_(kept).masked_fill_(resting, 0);
    }

    /// <summary>Latents whose dials are not exactly at rest.</summary>
    /// <param name="gamma">c - 1, <c>[d_sae]</c>.</param>
    /// <param name="shift">d, <c>[d_sae]</c>.</param>
    public static long Changed(Tensor gamma, Tensor shift)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return (gamma.ne(0) | shift.ne(0)).sum().item<long>();
    }
}
