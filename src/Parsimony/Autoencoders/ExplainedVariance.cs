using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>
/// Explained variance over all tokens added: <c>1 - Σ|x - xHat|² / Σ|x - mean(x)|²</c>, sums over tokens and axes in float64, raw
/// units. One number for the whole set, independent of how it was cut into batches.
/// </summary>
/// <remarks>1 is perfect, 0 is as good as always answering the mean, below 0 is worse. Not the mean of per-token ratios and not the
/// variance about zero, which other tools have published under the same name.</remarks>
public sealed class ExplainedVariance
{
    private static readonly long[] TokenAxis = [0];
    private double[]? sum;
    private double sumOfSquares;

    /// <summary>Tokens added so far.</summary>
    public long Tokens { get; private set; }

    /// <summary>Σ|x - xHat|² so far.</summary>
    public double SquaredResidual { get; private set; }

    /// <summary>Σ|x - mean(x)|² so far.</summary>
    public double SquaredDeviation =>
        sum is null ? 0 : Math.Max(0, sumOfSquares - sum.Sum(s => s * s) / Tokens);

    /// <summary>The explained variance so far; NaN while the inputs do not vary (beyond what float64 can tell from rounding).</summary>
    public double Value => SquaredDeviation > 1e-14 * sumOfSquares ? 1 - SquaredResidual / SquaredDeviation : double.NaN;

    /// <summary>Adds a batch.</summary>
    /// <param name="x">Activations, <c>[..., d_model]</c>.</param>
    /// <param name="residual"><c>x - xHat</c> (or its negative), the shape of <paramref name="x"/>.</param>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public void Add(Tensor x, Tensor residual)
    {
        if (!x.shape.SequenceEqual(residual.shape))
            throw new ArgumentException($"x has shape [{string.Join(", ", x.shape)}] and the residual [{string.Join(", ", residual.shape)}]; "
                + "expected the same [..., d_model].");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var rows = x.reshape(-1, x.shape[^1]).to(ScalarType.Float64);
        double[] added = rows.sum(TokenAxis).cpu().data<double>().ToArray();
        sum ??= new double[added.Length];
        for (int i = 0; i < added.Length; i++) sum[i] += added[i];
        sumOfSquares += rows.square().sum().item<double>();
        SquaredResidual += residual.to(ScalarType.Float64).square().sum().item<double>();
        Tokens += rows.shape[0];
    }

    /// <summary>The sums so far, for a checkpoint.</summary>
    internal double[] Save() => [Tokens, SquaredResidual, sumOfSquares, .. sum ?? []];

    /// <summary>Goes on from sums that were saved.</summary>
    internal void Restore(double[] saved) =>
        (Tokens, SquaredResidual, sumOfSquares, sum) = ((long)saved[0], saved[1], saved[2], saved.Length > 3 ? saved[3..] : null);
}
