using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>Adam (Kingma and Ba 2015, algorithm 1) for one tensor, in place, with PyTorch's arithmetic: bias-corrected, epsilon
/// outside the root, no weight decay.</summary>
internal sealed class Adam : IDisposable
{
    private readonly double beta1;
    private readonly double beta2;
    private readonly double epsilon;
    private readonly Tensor oneMinusBeta1;

    /// <summary>Zero moments for a parameter.</summary>
    public Adam(Tensor parameter, SaeTrainingOptions options)
    {
        (beta1, beta2, epsilon) = (options.AdamBeta1, options.AdamBeta2, options.AdamEpsilon);
        Parameter = parameter;
        Mean = zeros_like(parameter).DetachFromDisposeScope();
        MeanSquare = zeros_like(parameter).DetachFromDisposeScope();
        oneMinusBeta1 = tensor((float)(1 - beta1), device: parameter.device).DetachFromDisposeScope();
    }

    /// <summary>What is learned; not owned.</summary>
    public Tensor Parameter { get; }

    /// <summary>Running mean of the gradient (PyTorch: exp_avg).</summary>
    public Tensor Mean { get; }

    /// <summary>Running mean of the squared gradient (PyTorch: exp_avg_sq).</summary>
    public Tensor MeanSquare { get; }

    /// <summary><c>m += (1-β1)(g - m)</c>; <c>v = β2 v + (1-β2) g²</c>;
    /// <c>p -= lr/(1-β1^t) · m / (√v/√(1-β2^t) + ε)</c>.</summary>
    /// <param name="gradient">The gradient; used up as working memory.</param>
    /// <param name="learningRate">Rate of this step.</param>
    /// <param name="step">Number of this step, from 1.</param>
    public void Update(Tensor gradient, double learningRate, long step)
    {
        Mean.lerp_(gradient, oneMinusBeta1);
        MeanSquare.mul_(beta2).addcmul_(gradient, gradient, 1 - beta2);
        var denominator = gradient.copy_(MeanSquare).sqrt_().div_(Math.Sqrt(1 - Math.Pow(beta2, step))).add_(epsilon);
        Parameter.addcdiv_(Mean, denominator, -learningRate / (1 - Math.Pow(beta1, step)));
    }

    /// <summary>The same with constants that are on the device (<see cref="AdamSwitch"/>).</summary>
    /// <param name="gradient">The gradient, zeros where nothing shall move; used up as working memory.</param>
    /// <param name="learningRate">Rate of this step.</param>
    /// <param name="step">Number of this step, from 1.</param>
    /// <param name="constants"><see cref="AdamSwitch.Constants"/>.</param>
    public void Update(Tensor gradient, double learningRate, long step, Tensor constants)
    {
        using var scope = NewDisposeScope();
        Mean.lerp_(gradient, constants[0]);
        MeanSquare.mul_(constants[1]).addcmul_(gradient, gradient, 1 - beta2);
        var denominator = gradient.copy_(MeanSquare).sqrt_().div_(Math.Sqrt(1 - Math.Pow(beta2, step))).add_(constants[2]);
        Parameter.addcdiv_(Mean, denominator, -learningRate / (1 - Math.Pow(beta1, step)));
    }

    /// <summary>Forgets the moments of some rows or columns.</summary>
    public void Forget(long axis, Tensor indices)
    {
        Mean.index_fill_(axis, indices, 0);
        MeanSquare.index_fill_(axis, indices, 0);
    }

    public void Dispose()
    {
        Mean.Dispose();
        MeanSquare.Dispose();
        oneMinusBeta1.Dispose();
    }
}
