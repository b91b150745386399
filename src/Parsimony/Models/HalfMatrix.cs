using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A matrix rounded to the nearest number of two bytes.</summary>
internal sealed class HalfMatrix : IStoredMatrix
{
    private readonly Tensor rounded; // [out, in]

    /// <summary>Rounds a matrix <c>[out, in]</c>, which stays the caller's.</summary>
    public HalfMatrix(Tensor weight, ScalarType type) => rounded = weight.to(type).DetachFromDisposeScope();

    public long Bytes => rounded.numel() * 2;

    public Tensor Dequantised() => rounded.to(ScalarType.Float32);

    public Tensor Linear(Tensor x, Tensor? bias) => DequantisedProduct.Of(x, this, bias);

    public void Dispose() => rounded.Dispose();
}
