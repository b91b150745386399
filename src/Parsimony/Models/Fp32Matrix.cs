using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>A matrix as it was read.</summary>
/// <param name="weight"><c>[out, in]</c>; owned.</param>
internal sealed class Fp32Matrix(Tensor weight) : IStoredMatrix
{
    public long Bytes => weight.numel() * sizeof(float);

    public Tensor Dequantised() => weight.clone();

    public Tensor Linear(Tensor x, Tensor? bias) => bias is null ? linear(x, weight) : linear(x, weight, bias);

    public void Dispose() => weight.Dispose();
}
