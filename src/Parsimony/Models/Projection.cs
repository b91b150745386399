using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A linear map of the model.</summary>
/// <param name="weight"><c>[out, in]</c>; owned.</param>
/// <param name="bias"><c>[out]</c>, owned; null for none.</param>
internal sealed class Projection(IStoredMatrix weight, Tensor? bias = null) : IDisposable
{
    /// <summary>Bytes it takes in memory.</summary>
    public long Bytes => weight.Bytes + (bias?.numel() ?? 0) * sizeof(float);

    /// <summary><c>[.., in]</c> to <c>[.., out]</c>.</summary>
    public Tensor Apply(Tensor x) => weight.Linear(x, bias);

    /// <summary>What becomes of a direction: <see cref="Apply"/> without the bias.</summary>
    public Tensor Direction(Tensor x) => weight.Linear(x, null);

    public void Dispose()
    {
        weight.Dispose();
        bias?.Dispose();
    }
}
