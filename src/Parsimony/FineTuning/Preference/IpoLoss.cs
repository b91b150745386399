using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>IPO (Azar et al. 2023, equation 17): the margin is drawn to a finite value, so that pairs are not overfitted.</summary>
public static class IpoLoss
{
    /// <summary><c>(h - 1 / (2 beta))^2</c>.</summary>
    /// <param name="margin">h as in <see cref="SigmoidLoss"/> but of log-probabilities <em>averaged</em> over each completion's tokens (as
    /// the paper's authors corrected it, and TRL has it), <c>[batch]</c>.</param>
    /// <param name="beta">Above 0; the paper's tau.</param>
    /// <returns><c>[batch]</c>.</returns>
    public static Tensor Of(Tensor margin, double beta)
    {
        using var scope = NewDisposeScope();
        return (margin - 1 / (2 * beta)).square().MoveToOuterDisposeScope();
    }
}
