using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// A matrix in a byte a number, each row (output channel) by its own largest magnitude: <c>q = round(127 w / absmax)</c>, <c>w' = q absmax / 127</c>, so
/// <c>|w' - w| &lt;= absmax / 254</c> (Dettmers et al. 2022, LLM.int8(), section 2, without its outliers).
/// </summary>
internal sealed class Int8Matrix : IStoredMatrix
{
    private readonly Tensor codes; // [out, in], int8
    private readonly Tensor scale; // [out, 1]

    /// <summary>Quantises a matrix <c>[out, in]</c>, which stays the caller's.</summary>
    public Int8Matrix(Tensor weight)
    {
        using var scope = NewDisposeScope();
        var step = weight.abs().amax([1], keepdim: true) / 127;
        var divisor = step.where(step > 0, ones_like(step)); // a row of zeros
        codes = (weight / divisor).round().clamp(-127, 127).to(ScalarType.Int8).DetachFromDisposeScope();
        scale = step.DetachFromDisposeScope();
    }

    public long Bytes => codes.numel() + scale.numel() * sizeof(float);

    public Tensor Dequantised() => codes.to(ScalarType.Float32).mul_(scale);

    public Tensor Linear(Tensor x, Tensor? bias) => DequantisedProduct.Of(x, this, bias);

    public void Dispose()
    {
        codes.Dispose();
        scale.Dispose();
    }
}
