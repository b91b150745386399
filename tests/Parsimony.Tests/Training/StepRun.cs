using Parsimony.Training;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>A step of an SAE, whose target is its input.</summary>
internal static class StepRun
{
    public static SaeStepResult Run(this ISaeStep step, Tensor x, long number, double learningRate, double sparsityCoefficient) =>
        step.Run(x, x, new SaeStepInputs(number, learningRate, sparsityCoefficient));
}
