using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>PPO's clipped objective, element by element, as a loss: <c>max(-A ratio, -A clip(ratio, 1 - low, 1 + high))</c> (Schulman et al.
/// 2017, equation 7; two bounds: Yu et al. 2025, DAPO). PPO and GRPO take it per token, RLOO per response.</summary>
/// <param name="Loss">Shaped like the ratios.</param>
/// <param name="Ratio">p / p_old, without gradient.</param>
/// <param name="Clipped">Whether the bound is what counts, Bool.</param>
internal readonly record struct ClippedSurrogate(Tensor Loss, Tensor Ratio, Tensor Clipped)
{
    /// <summary>Everything belongs to the caller's dispose scope.</summary>
    public static ClippedSurrogate Of(Tensor logRatio, Tensor advantages, double low, double high)
    {
        if (!(low is >= 0 and < 1) || !(high >= 0)) throw new ArgumentException(
            $"the ratio is clipped at 1 - {low} and 1 + {high}; the first must be 0 or more and below 1, the second 0 or more. 0.2 is usual.");
        var ratio = logRatio.exp();
        var free = advantages.neg() * ratio;
        var bound = advantages.neg() * ratio.clamp(1 - low, 1 + high);
        return new ClippedSurrogate(maximum(free, bound), ratio.detach(), bound.gt(free));
    }
}
