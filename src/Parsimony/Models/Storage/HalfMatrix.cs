using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>A matrix of numbers of two bytes.</summary>
/// <param name="halves"><c>[out, in]</c>, bfloat16 or float16; owned.</param>
internal sealed class HalfMatrix(Tensor halves) : IStoredMatrix
{
    /// <summary>Rounds a matrix <c>[out, in]</c> of any float type, which stays the caller's, to the nearest numbers of two bytes.</summary>
    public static HalfMatrix Rounded(Tensor weight, ScalarType type)
    {
        var halves = empty(weight.shape, type, weight.device).DetachFromDisposeScope();
        foreach (var (first, rows) in StoredMatrix.Chunks(weight, type == ScalarType.Float16 ? WeightStorage.Fp16 : WeightStorage.Bf16)) halves.narrow(0, first, rows.size(0)).copy_(rows);
        return new HalfMatrix(halves);
    }

    /// <summary>The matrix as it is kept.</summary>
    public Tensor Halves => halves;

    public long Outputs => halves.size(0);

    public long Inputs => halves.size(1);

    public long Bytes => halves.numel() * 2;

    public void Decode(long first, Tensor to)
    {
        using var rows = halves.narrow(0, first, to.size(0));
        to.copy_(rows);
    }

    public void Dispose() => halves.Dispose();
}
