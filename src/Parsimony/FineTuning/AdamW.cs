using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// AdamW on one vector, by torch.optim.AdamW's formula: decoupled decay first, bias-corrected moments, epsilon outside the root
/// (Kingma and Ba 2015; Loshchilov and Hutter 2019). Without decay it is Adam. The decay may draw toward another value than 0.
/// </summary>
public sealed class AdamW : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;

    private readonly Tensor parameter;
    private readonly double learningRate, weightDecay, decayToward;

    /// <summary>An optimiser that has made no step.</summary>
    /// <param name="parameter">The vector, changed in place; not owned.</param>
    /// <param name="learningRate">Above 0.</param>
    /// <param name="weightDecay">0 or more.</param>
    /// <param name="decayToward">Where the decay draws every element.</param>
    public AdamW(Tensor parameter, double learningRate, double weightDecay = 0, double decayToward = 0)
    {
        (this.parameter, this.learningRate, this.weightDecay, this.decayToward) = (parameter, learningRate, weightDecay, decayToward);
        using var noGradient = no_grad();
        FirstMoment = zeros_like(parameter).DetachFromDisposeScope();
        SecondMoment = zeros_like(parameter).DetachFromDisposeScope();
    }

    /// <summary>Steps made; with the two moments it is the whole state, set when a run goes on from a checkpoint.</summary>
    public long Steps { get; set; }

    /// <summary>Running mean of the gradient, shaped like the vector.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>Running mean of the squared gradient, shaped like the vector.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>One step down the gradient.</summary>
    public void Step(Tensor gradient)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Steps++;
        if (weightDecay != 0)
        {
            parameter.mul_(1 - learningRate * weightDecay);
            if (decayToward != 0) parameter.add_(learningRate * weightDecay * decayToward);
        }
        FirstMoment.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
        SecondMoment.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        double correction1 = 1 - Math.Pow(Beta1, Steps), correction2 = 1 - Math.Pow(Beta2, Steps);
        var denominator = SecondMoment.sqrt().div_(Math.Sqrt(correction2)).add_(Epsilon);
        parameter.addcdiv_(FirstMoment, denominator, -learningRate / correction1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        FirstMoment.Dispose();
        SecondMoment.Dispose();
    }
}
