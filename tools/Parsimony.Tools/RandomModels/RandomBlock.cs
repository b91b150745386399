using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.RandomModels;

/// <summary>
/// A few million normal numbers, drawn once, from which tensors of any size are cut: each begins elsewhere in the block and goes round in it.
/// Copying is faster than drawing by far, and a large model has billions of weights.
/// </summary>
internal sealed class RandomBlock : IDisposable
{
    /// <summary>A prime: rows of a matrix, whose width divides a power of two more often than not, never fall on the same numbers again.</summary>
    public const int Length = 4_194_301;

    private readonly Tensor block;
    private readonly long seed;

    /// <summary>Draws the numbers.</summary>
    /// <param name="type">Of the tensors to be cut.</param>
    /// <param name="deviation">Their standard deviation.</param>
    /// <param name="seed">Of the draw, and of where each tensor begins.</param>
    public RandomBlock(ScalarType type, double deviation, long seed)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed, CPU);
        this.seed = seed;
        block = randn(Length, generator: generator).mul_(deviation).to(type).DetachFromDisposeScope();
    }

    /// <summary>Cuts a tensor.</summary>
    /// <param name="shape">Its axes.</param>
    /// <param name="number">Which tensor it is: another one begins elsewhere.</param>
    /// <returns>A tensor in the caller's scope.</returns>
    public Tensor Cut(long[] shape, int number)
    {
        var result = empty(shape, block.dtype);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = result.view(-1);
        long from = new Random(unchecked((int)(seed * 1_000_003 + number))).Next(Length);
        for (long at = 0; at < flat.numel();)
        {
            long count = Math.Min(Length - from, flat.numel() - at);
            _ = flat.narrow(0, at, count).copy_(block.narrow(0, from, count));
            (at, from) = (at + count, 0);
        }
        return result;
    }

    public void Dispose() => block.Dispose();
}
