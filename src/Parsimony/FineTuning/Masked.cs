using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// Sums, means and the unbiased variance over the true positions of a mask. What lies under the rest is replaced by 0 before any
/// arithmetic, so that not even a NaN there reaches a result or a gradient. Without a true position they are 0.
/// </summary>
public static class Masked
{
    /// <summary><paramref name="x"/> with 0 wherever the mask is false; the gradient there is 0.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="mask">Bool, of the same shape.</param>
    /// <exception cref="ArgumentException">The mask has another shape or is not of type Bool.</exception>
    public static Tensor Keep(Tensor x, Tensor mask)
    {
        if (mask.dtype != ScalarType.Bool || !mask.shape.AsSpan().SequenceEqual(x.shape)) throw new ArgumentException(
            $"the mask is {mask.dtype} [{string.Join(", ", mask.shape)}]; expected Bool [{string.Join(", ", x.shape)}], true where a number counts.",
            nameof(mask));
        using var outside = mask.logical_not();
        return x.masked_fill(outside, 0);
    }

    /// <summary>Sum of each row, <c>[batch, seq]</c> to <c>[batch]</c>.</summary>
    public static Tensor SumPerRow(Tensor x, Tensor mask)
    {
        using var kept = Keep(x, mask);
        return kept.sum([1L]);
    }

    /// <summary>Mean of each row, <c>[batch, seq]</c> to <c>[batch]</c>; rows are weighed alike afterwards, whatever their length.</summary>
    public static Tensor MeanPerRow(Tensor x, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return (SumPerRow(x, mask) / mask.sum([1L]).clamp_min(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Mean over all true positions, a scalar.</summary>
    public static Tensor Mean(Tensor x, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return (Keep(x, mask).sum() / mask.sum().clamp_min(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Variance over all true positions with n - 1 in the denominator, a scalar; 0 for a single position.</summary>
    public static Tensor Variance(Tensor x, Tensor mask)
    {
        using var scope = NewDisposeScope();
        var deviation = Keep(x - Mean(x, mask), mask);
        return (deviation.square().sum() / (mask.sum() - 1).clamp_min(1)).MoveToOuterDisposeScope();
    }
}
