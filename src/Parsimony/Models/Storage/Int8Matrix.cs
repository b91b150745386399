using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// A matrix in a byte a number, each row (output channel) by its own largest magnitude: <c>q = round(127 w / absmax)</c>, <c>w' = q absmax / 127</c>, so
/// <c>|w' - w| &lt;= absmax / 254</c> (Dettmers et al. 2022, LLM.int8(), section 2, without its outliers).
/// </summary>
/// <param name="codes"><c>[out, in]</c>, int8; owned.</param>
/// <param name="absmax"><c>[out]</c>, float32; owned.</param>
internal sealed class Int8Matrix(Tensor codes, Tensor absmax) : IStoredMatrix
{
    private const float Largest = 127;

    /// <summary>Quantises a matrix <c>[out, in]</c> of any float type, which stays the caller's.</summary>
    public static Int8Matrix Quantised(Tensor weight)
    {
        var codes = empty(weight.shape, ScalarType.Int8, weight.device).DetachFromDisposeScope();
        var absmax = empty(weight.size(0), ScalarType.Float32, weight.device).DetachFromDisposeScope();
        foreach (var (first, rows) in StoredMatrix.Chunks(weight, WeightStorage.Int8))
        {
            var largest = rows.abs().amax([1], keepdim: true);
            var step = largest / Largest;
            var divisor = step.where(step > 0, ones_like(step)); // a row of zeros
            codes.narrow(0, first, rows.size(0)).copy_((rows / divisor).round().clamp(-Largest, Largest));
            absmax.narrow(0, first, rows.size(0)).copy_(largest.squeeze(1));
        }
        return new Int8Matrix(codes, absmax);
    }

    /// <summary>The numbers, <c>[out, in]</c>, int8.</summary>
    public Tensor Codes => codes;

    /// <summary>Each row's largest magnitude, <c>[out]</c>, float32.</summary>
    public Tensor Absmax => absmax;

    public long Outputs => codes.size(0);

    public long Inputs => codes.size(1);

    public long Bytes => codes.numel() + absmax.numel() * sizeof(float);

    public void Decode(long first, Tensor to)
    {
        using var scope = NewDisposeScope();
        long count = to.size(0);
        to.copy_(codes.narrow(0, first, count)).mul_(absmax.narrow(0, first, count).unsqueeze(1) / Largest);
    }

    public void Dispose()
    {
        codes.Dispose();
        absmax.Dispose();
    }
}
