using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.FineTuning.Preference;

/// <summary>SimPO (Meng et al. 2024, equation 6): no reference, and length-averaged, as a completion is ranked when it is generated.</summary>
public static class SimPoLoss
{
    /// <summary><c>-ln sigma(beta h - gamma)</c>.</summary>
    /// <param name="margin">h = ln p of the chosen less that of the rejected completion, each averaged over its tokens, <c>[batch]</c>.</param>
    /// <param name="beta">Above 0; 2 to 10 in the paper.</param>
    /// <param name="gamma">The margin asked for, 0 or more; half of beta is a usual start.</param>
    /// <returns><c>[batch]</c>.</returns>
    public static Tensor Of(Tensor margin, double beta, double gamma)
    {
        using var scope = NewDisposeScope();
        return logsigmoid(beta * margin - gamma).neg().MoveToOuterDisposeScope();
    }
}
