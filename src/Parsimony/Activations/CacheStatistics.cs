using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>Counts a shard's statistics, in float64 and a slice at a time.</summary>
internal static class CacheStatistics
{
    private const long RowsAtATime = 8192;

    /// <summary>The statistics of rows as they are stored.</summary>
    /// <param name="stored"><c>[rows, width]</c>, any type.</param>
    public static ActivationStatistics Of(Tensor stored)
    {
        using var scope = NewDisposeScope();
        long rows = stored.shape[0];
        var sum = zeros(stored.shape[1], ScalarType.Float64);
        double norms = 0, squares = 0, largest = 0;
        for (long i = 0; i < rows; i += RowsAtATime)
        {
            using var inner = NewDisposeScope();
            var x = stored.narrow(0, i, Math.Min(RowsAtATime, rows - i)).to(ScalarType.Float64);
            var square = x.square().sum(1);
            var norm = square.sqrt();
            sum.add_(x.sum([0L]));
            norms += norm.sum().item<double>();
            squares += square.sum().item<double>();
            largest = Math.Max(largest, norm.max().item<double>());
        }
        return new ActivationStatistics
        {
            Rows = rows,
            MeanNorm = norms / rows,
            MeanSquareNorm = squares / rows,
            MaxNorm = largest,
            Mean = (sum / rows).data<double>().ToArray(),
        };
    }
}
