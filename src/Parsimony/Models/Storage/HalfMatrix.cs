using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>A matrix of numbers of two bytes.</summary>
/// <param name="halves"><c>[out, in]</c>, bfloat16 or float16; owned.</param>
internal sealed class HalfMatrix(Tensor halves) : IStoredMatrix
{
    /// <summary>Rounds a float32 matrix <c>[out, in]</c>, which stays the caller's, to the nearest numbers of two bytes.</summary>
    public static HalfMatrix Rounded(Tensor weight, ScalarType type) => new(weight.to(type).DetachFromDisposeScope());

    /// <summary>The matrix as it is kept.</summary>
    public Tensor Halves => halves;

    public long Outputs => halves.size(0);

    public long Inputs => halves.size(1);

    public long Bytes => halves.numel() * 2;

    public Tensor Rows(long first, long count)
    {
        using var rows = halves.narrow(0, first, count);
        return rows.to(ScalarType.Float32);
    }

    public void Dispose() => halves.Dispose();
}
