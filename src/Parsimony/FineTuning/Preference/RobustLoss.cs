using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Preference;

/// <summary>Robust DPO (Chowdhury et al. 2024, equation 12): unbiased when a known share of the pairs is labelled wrongly.</summary>
public static class RobustLoss
{
    /// <summary><c>(-(1 - eps) ln sigma(beta h) + eps ln sigma(-beta h)) / (1 - 2 eps)</c>; ln 2 where h = 0.</summary>
    /// <param name="margin">h as in <see cref="SigmoidLoss"/>, <c>[batch]</c>.</param>
    /// <param name="beta">Above 0; 0.1 is usual.</param>
    /// <param name="labelSmoothing">eps, 0 to below 0.5; 0 is <see cref="SigmoidLoss"/>.</param>
    /// <returns><c>[batch]</c>; may be below 0.</returns>
    public static Tensor Of(Tensor margin, double beta, double labelSmoothing)
    {
        using var scope = NewDisposeScope();
        var loss = (labelSmoothing - 1) * logsigmoid(beta * margin) + labelSmoothing * logsigmoid(-beta * margin);
        return (loss / (1 - 2 * labelSmoothing)).MoveToOuterDisposeScope();
    }
}
