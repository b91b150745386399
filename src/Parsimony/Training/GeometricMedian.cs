using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>The point whose distances to the rows of a sample have the least sum: a centre that a few far outliers do not move.</summary>
public static class GeometricMedian
{
    private const int MostIterations = 100;
    private const double SmallestMove = 1e-5, SmallestDistance = 1e-8;
    private static readonly long[] Rows = [0], Axes = [1];

    /// <summary>Weiszfeld's iteration from the mean: <c>m = Σ w x / Σ w</c> with <c>w = 1 / max(|x - m|, 1e-8)</c>, until m moves by less than 1e-5, at most 100
    /// times (dictionary_learning's numbers; without the guard a row that m hits would make it NaN).</summary>
    /// <param name="sample"><c>[n, d_model]</c>, n at least 1.</param>
    /// <returns><c>[d_model]</c>.</returns>
    public static Tensor Of(Tensor sample)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var m = sample.mean(Rows);
        for (int i = 0; i < MostIterations; i++)
        {
            using var iteration = NewDisposeScope();
            var w = (sample - m).norm(1).clamp_min_(SmallestDistance).reciprocal_().div_(sample.shape[0]); // [n]
            var next = w.matmul(sample) / w.sum();
            bool rests = (next - m).norm().item<float>() < SmallestMove;
            m = next.MoveToOuterDisposeScope();
            if (rests) break;
        }
        return m.MoveToOuterDisposeScope();
    }
}
