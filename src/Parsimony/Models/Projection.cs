using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Models;

/// <summary>A linear map of the model.</summary>
/// <param name="weight"><c>[out, in]</c>; owned.</param>
/// <param name="bias"><c>[out]</c>, owned; null for none.</param>
internal sealed class Projection(Tensor weight, Tensor? bias = null) : IDisposable
{
    /// <summary><c>[.., in]</c> to <c>[.., out]</c>.</summary>
    public Tensor Apply(Tensor x) => bias is null ? linear(x, weight) : linear(x, weight, bias);

    /// <summary>What becomes of a direction: <see cref="Apply"/> without the bias.</summary>
    public Tensor Direction(Tensor x) => linear(x, weight);

    public void Dispose()
    {
        weight.Dispose();
        bias?.Dispose();
    }
}
