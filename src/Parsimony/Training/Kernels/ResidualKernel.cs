using System.Runtime.CompilerServices;

namespace Parsimony.Training.Kernels;

/// <summary>From one tile's xHat to the gradient of the squared error there.</summary>
internal static unsafe class ResidualKernel<V>
    where V : struct, ILanes<V>
{
    /// <summary>Replaces <c>xHat - b_dec</c> by <c>scale (xHat - target)</c>.</summary>
    /// <param name="batch">Tokens.</param>
    /// <param name="columns">Of the tile.</param>
    /// <param name="scale">Of the loss's gradient.</param>
    /// <param name="xHat"><c>[batch][columns]</c>.</param>
    /// <param name="wanted">target - b_dec, the same.</param>
    /// <param name="columnSums">The results are added to it, <c>[columns]</c>; null: not asked for.</param>
    /// <returns>Sum of squares of xHat - target.</returns>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static double Subtract(int batch, int columns, float scale, float* xHat, float* wanted, float* columnSums)
    {
        double squares = 0;
        var by = V.Broadcast(scale);
        for (int token = 0; token < batch; token++, xHat += columns, wanted += columns)
        {
            var sum = V.Zero;
            for (int k = 0; k < columns; k += V.Count)
            {
                var e = V.Subtract(V.Load(xHat + k), V.Load(wanted + k));
                sum = V.MultiplyAdd(e, e, sum);
                e = V.Multiply(e, by);
                e.Store(xHat + k);
                if (columnSums != null) V.Add(e, V.Load(columnSums + k)).Store(columnSums + k);
            }
            squares += V.Sum(sum);
        }
        return squares;
    }

    /// <summary><c>to += from</c>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Add(int length, float* to, float* from)
    {
        for (int k = 0; k < length; k += V.Count) V.Add(V.Load(to + k), V.Load(from + k)).Store(to + k);
    }
}
