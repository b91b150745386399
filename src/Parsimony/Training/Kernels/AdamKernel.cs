using System.Runtime.CompilerServices;

namespace Parsimony.Training.Kernels;

/// <summary>Adam's numbers for one step, in the arithmetic of <see cref="Adam"/>.</summary>
/// <param name="Beta1">Decay of the mean.</param>
/// <param name="Beta2">Decay of the mean square.</param>
/// <param name="OneMinusBeta1">1 - β1, formed in float64, times the gradients' factor.</param>
/// <param name="OneMinusBeta2">1 - β2, formed in float64, times its square.</param>
/// <param name="StepSize">lr / (1 - β1^t).</param>
/// <param name="RootScale">1 / √(1 - β2^t).</param>
/// <param name="Epsilon">Outside the root.</param>
internal readonly record struct AdamNumbers(float Beta1, float Beta2, float OneMinusBeta1, float OneMinusBeta2, float StepSize, float RootScale, float Epsilon)
{
    /// <param name="options">Adam's constants.</param>
    /// <param name="inputs">Number and rate of the step.</param>
    /// <param name="factor">What every gradient is multiplied by, where their norm is clipped.</param>
    public static AdamNumbers At(SaeTrainingOptions options, SaeStepInputs inputs, double factor = 1) => new(
        (float)options.AdamBeta1, (float)options.AdamBeta2, (float)((1 - options.AdamBeta1) * factor), (float)((1 - options.AdamBeta2) * factor * factor),
        (float)(inputs.LearningRate / (1 - Math.Pow(options.AdamBeta1, inputs.Step))),
        (float)(1 / Math.Sqrt(1 - Math.Pow(options.AdamBeta2, inputs.Step))), (float)options.AdamEpsilon);
}

/// <summary>Adam over a stretch of one row: parameter and both moments are read and written once.</summary>
internal static unsafe class AdamKernel<V>
    where V : struct, ILanes<V>
{
    /// <summary>Moves a stretch of a decoder row by <c>g - along · p</c>.</summary>
    /// <param name="length">A multiple of the lanes.</param>
    /// <param name="p">Parameters.</param>
    /// <param name="m">Means.</param>
    /// <param name="v">Mean squares.</param>
    /// <param name="g">Gradient.</param>
    /// <param name="along">What of the row itself is taken off its gradient; 0: nothing.</param>
    /// <param name="adam">The step's numbers.</param>
    /// <returns>Sum of squares of the stretch after it.</returns>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static float Move(int length, float* p, float* m, float* v, float* g, float along, in AdamNumbers adam)
    {
        V beta1 = V.Broadcast(adam.Beta1), beta2 = V.Broadcast(adam.Beta2), rest1 = V.Broadcast(adam.OneMinusBeta1), rest2 = V.Broadcast(adam.OneMinusBeta2);
        V size = V.Broadcast(-adam.StepSize), root = V.Broadcast(adam.RootScale), epsilon = V.Broadcast(adam.Epsilon), off = V.Broadcast(-along), squares = V.Zero;
        for (int k = 0; k < length; k += V.Count)
        {
            var parameter = V.Load(p + k);
            var gradient = V.MultiplyAdd(off, parameter, V.Load(g + k));
            var mean = V.MultiplyAdd(gradient, rest1, V.Multiply(V.Load(m + k), beta1));
            var square = V.MultiplyAdd(V.Multiply(gradient, rest2), gradient, V.Multiply(V.Load(v + k), beta2));
            mean.Store(m + k);
            square.Store(v + k);
            parameter = V.MultiplyAdd(size, V.Divide(mean, V.MultiplyAdd(V.Sqrt(square), root, epsilon)), parameter);
            squares = V.MultiplyAdd(parameter, parameter, squares);
            parameter.Store(p + k);
        }
        return V.Sum(squares);
    }

    /// <summary>Moves a stretch of an encoder row, and adds its old values times <paramref name="weight"/> to a sum.</summary>
    /// <param name="length">A multiple of the lanes.</param>
    /// <param name="p">Parameters.</param>
    /// <param name="m">Means.</param>
    /// <param name="v">Mean squares.</param>
    /// <param name="g">Gradient.</param>
    /// <param name="weight">Gradient of this latent's bias.</param>
    /// <param name="sum">What b_dec's gradient loses: Σ over latents of <c>∂b_enc W_enc</c>.</param>
    /// <param name="adam">The step's numbers.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void MoveAndSum(int length, float* p, float* m, float* v, float* g, float weight, float* sum, in AdamNumbers adam)
    {
        V beta1 = V.Broadcast(adam.Beta1), beta2 = V.Broadcast(adam.Beta2), rest1 = V.Broadcast(adam.OneMinusBeta1), rest2 = V.Broadcast(adam.OneMinusBeta2);
        V size = V.Broadcast(-adam.StepSize), root = V.Broadcast(adam.RootScale), epsilon = V.Broadcast(adam.Epsilon), bias = V.Broadcast(weight);
        for (int k = 0; k < length; k += V.Count)
        {
            V parameter = V.Load(p + k), gradient = V.Load(g + k);
            V.MultiplyAdd(bias, parameter, V.Load(sum + k)).Store(sum + k);
            var mean = V.MultiplyAdd(gradient, rest1, V.Multiply(V.Load(m + k), beta1));
            var square = V.MultiplyAdd(V.Multiply(gradient, rest2), gradient, V.Multiply(V.Load(v + k), beta2));
            mean.Store(m + k);
            square.Store(v + k);
            V.MultiplyAdd(size, V.Divide(mean, V.MultiplyAdd(V.Sqrt(square), root, epsilon)), parameter).Store(p + k);
        }
    }

    /// <summary>Sum of squares.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static float Squares(int length, float* row)
    {
        var squares = V.Zero;
        for (int k = 0; k < length; k += V.Count) squares = V.MultiplyAdd(V.Load(row + k), V.Load(row + k), squares);
        return V.Sum(squares);
    }

    /// <summary>Sum of squares of <c>g - along · p</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static float Squares(int length, float* g, float* p, float along)
    {
        V squares = V.Zero, off = V.Broadcast(-along);
        for (int k = 0; k < length; k += V.Count)
        {
            var gradient = V.MultiplyAdd(off, V.Load(p + k), V.Load(g + k));
            squares = V.MultiplyAdd(gradient, gradient, squares);
        }
        return V.Sum(squares);
    }

    /// <summary>Sum of squares of g; adds p times <paramref name="weight"/> to a sum.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static float SquaresAndSum(int length, float* g, float* p, float weight, float* sum)
    {
        V squares = V.Zero, by = V.Broadcast(weight);
        for (int k = 0; k < length; k += V.Count)
        {
            V.MultiplyAdd(by, V.Load(p + k), V.Load(sum + k)).Store(sum + k);
            squares = V.MultiplyAdd(V.Load(g + k), V.Load(g + k), squares);
        }
        return V.Sum(squares);
    }

    /// <summary>Multiplies a row.</summary>
    public static void Scale(int length, float* row, float factor)
    {
        var by = V.Broadcast(factor);
        for (int k = 0; k < length; k += V.Count) V.Multiply(V.Load(row + k), by).Store(row + k);
    }

    /// <summary>Moves one number.</summary>
    public static void Move(ref float p, ref float m, ref float v, float g, in AdamNumbers adam)
    {
        m = adam.Beta1 * m + adam.OneMinusBeta1 * g;
        v = adam.Beta2 * v + adam.OneMinusBeta2 * g * g;
        p -= adam.StepSize * m / (MathF.Sqrt(v) * adam.RootScale + adam.Epsilon);
    }
}
