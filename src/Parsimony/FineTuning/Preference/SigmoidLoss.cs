using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Preference;

/// <summary>DPO's own loss (Rafailov et al. 2023, equation 7) and, with smoothing, conservative DPO (Mitchell 2023).</summary>
public static class SigmoidLoss
{
    /// <summary><c>-(1 - eps) ln sigma(beta h) - eps ln sigma(-beta h)</c>; ln 2 where h = 0.</summary>
    /// <param name="margin">h = (ln p - ln p_ref) of the chosen less that of the rejected completion, summed over tokens, <c>[batch]</c>.
    /// Reference-free: without ln p_ref.</param>
    /// <param name="beta">Above 0; 0.1 is usual.</param>
    /// <param name="labelSmoothing">eps, the share of pairs taken to be labelled wrongly, 0 to below 0.5. Default 0.</param>
    /// <returns><c>[batch]</c>.</returns>
    public static Tensor Of(Tensor margin, double beta, double labelSmoothing = 0)
    {
        using var scope = NewDisposeScope();
        var right = logsigmoid(beta * margin).neg();
        return (labelSmoothing == 0 ? right.alias() : (1 - labelSmoothing) * right - labelSmoothing * logsigmoid(-beta * margin)).MoveToOuterDisposeScope();
    }
}
