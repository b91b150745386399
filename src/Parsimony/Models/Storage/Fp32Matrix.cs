using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>A matrix as it was read.</summary>
/// <param name="weight"><c>[out, in]</c>, float32; owned.</param>
internal sealed class Fp32Matrix(Tensor weight) : IStoredMatrix
{
    /// <summary>The matrix itself, for products that need no copy of it.</summary>
    public Tensor Weight => weight;

    public long Outputs => weight.size(0);

    public long Inputs => weight.size(1);

    public long Bytes => weight.numel() * sizeof(float);

    public void Decode(long first, Tensor to)
    {
        using var rows = weight.narrow(0, first, to.size(0));
        to.copy_(rows);
    }

    public void Dispose() => weight.Dispose();
}
