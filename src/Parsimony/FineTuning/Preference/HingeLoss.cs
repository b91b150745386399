using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>The hinge in DPO's place (Zhao et al. 2023, SLiC-HF; Liu et al. 2024, RSO): pairs far enough apart teach nothing more.</summary>
public static class HingeLoss
{
    /// <summary><c>max(0, 1 - beta h)</c>; 1 where h = 0.</summary>
    /// <param name="margin">h as in <see cref="SigmoidLoss"/>, <c>[batch]</c>.</param>
    /// <param name="beta">Above 0; 1 / beta is the margin asked for, in nats.</param>
    /// <returns><c>[batch]</c>.</returns>
    public static Tensor Of(Tensor margin, double beta)
    {
        using var scope = NewDisposeScope();
        return (1 - beta * margin).relu().MoveToOuterDisposeScope();
    }
}
