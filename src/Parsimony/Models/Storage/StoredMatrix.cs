using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>Puts a matrix into its storage, and says what that takes.</summary>
internal static class StoredMatrix
{
    private const long ChunkNumbers = 1 << 22; // worked on at a time: 16 MiB of float32

    /// <summary>Stores a matrix. Nothing of it but a few rows exists as float32 on the way.</summary>
    /// <param name="weight"><c>[out, in]</c>, of any float type; taken over: the caller must not use it again.</param>
    /// <param name="storage">How.</param>
    /// <exception cref="InvalidDataException">It holds a number that the storage cannot.</exception>
    public static IStoredMatrix Of(Tensor weight, WeightStorage storage)
    {
        if (storage == WeightStorage.Fp32 && weight.dtype == ScalarType.Float32) return new Fp32Matrix(weight);
        using (weight)
        using (no_grad())
            return storage switch
            {
                WeightStorage.Fp32 => new Fp32Matrix(weight.to(ScalarType.Float32).DetachFromDisposeScope()),
                WeightStorage.Bf16 => HalfMatrix.Rounded(weight, ScalarType.BFloat16),
                WeightStorage.Fp16 => HalfMatrix.Rounded(weight, ScalarType.Float16),
                WeightStorage.Int8 => Int8Matrix.Quantised(weight),
                WeightStorage.Nf4 => Nf4Matrix.Quantised(weight, doubleQuantised: false),
                _ => Nf4Matrix.Quantised(weight, doubleQuantised: true),
            };
    }

    /// <summary>Some rows as the storage gives them back, a new tensor <c>[count, in]</c>, float32.</summary>
    public static Tensor Rows(this IStoredMatrix matrix, long first, long count)
    {
        var rows = empty(count, matrix.Inputs);
        matrix.Decode(first, rows);
        return rows;
    }

    /// <summary>A matrix a few rows at a time, as float32 <c>[count, in]</c>, checked; each belongs to a scope that ends when the next one is asked for.</summary>
    /// <param name="weight"><c>[out, in]</c>, of any float type.</param>
    /// <param name="storage">What they are for.</param>
    /// <exception cref="InvalidDataException">A number that the storage cannot hold.</exception>
    public static IEnumerable<(long First, Tensor Rows)> Chunks(Tensor weight, WeightStorage storage)
    {
        long outputs = weight.size(0), rows = Math.Max(Nf4Matrix.Block, ChunkNumbers / weight.size(1) / Nf4Matrix.Block * Nf4Matrix.Block); // so that no block of numbers is cut
        for (long first = 0; first < outputs; first += rows)
        {
            using var scope = NewDisposeScope();
            var chunk = weight.narrow(0, first, Math.Min(rows, outputs - first)).to(ScalarType.Float32);
            EnsureHolds(chunk, storage);
            yield return (first, chunk);
        }
    }

    /// <summary>An embedding's table, of which a few rows are read at a time: two bytes a number in every storage but float32.</summary>
    /// <param name="table"><c>[rows, d_model]</c>, float32; taken over.</param>
    /// <param name="storage">The model's.</param>
    /// <exception cref="InvalidDataException">It holds a number that the storage cannot.</exception>
    public static Tensor Table(Tensor table, WeightStorage storage)
    {
        if (storage == WeightStorage.Fp32) return table;
        using (table)
        {
            EnsureHolds(table, storage);
            return table.to(storage == WeightStorage.Fp16 ? ScalarType.Float16 : ScalarType.BFloat16).DetachFromDisposeScope();
        }
    }

    /// <summary>Bytes of a matrix in memory.</summary>
    /// <param name="storage">How it is stored.</param>
    /// <param name="outputs">Its rows.</param>
    /// <param name="inputs">Its columns.</param>
    public static long Bytes(WeightStorage storage, long outputs, long inputs) => storage switch
    {
        WeightStorage.Fp32 => 4 * outputs * inputs,
        WeightStorage.Bf16 or WeightStorage.Fp16 => 2 * outputs * inputs,
        WeightStorage.Int8 => outputs * inputs + 4 * outputs,
        _ => Nf4Matrix.BytesOf(outputs * inputs, storage == WeightStorage.Nf4Dq),
    };

    private static void EnsureHolds(Tensor weight, WeightStorage storage)
    {
        using var scope = NewDisposeScope();
        float largest = weight.abs().max().item<float>(); // NaN where there is one
        if (!float.IsFinite(largest)) throw new InvalidDataException($"the model's weights hold {largest}; they cannot be stored as {storage.Name()}. Fetch the files again.");
        if (storage == WeightStorage.Fp16 && largest > 65504) throw new InvalidDataException($"the model's weights hold {largest}; fp16 ends at 65504. Use bf16.");
    }
}
