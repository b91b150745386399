using Parsimony.Models.Storage;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A linear map of the model, read when it is first used.</summary>
/// <param name="read">Gives the matrix <c>[out, in]</c> and the bias <c>[out]</c>, null for none; both owned from then on.</param>
internal sealed class Projection(Func<(IStoredMatrix Weight, Tensor? Bias)> read) : IDisposable
{
    private (IStoredMatrix Weight, Tensor? Bias)? there;

    /// <summary>Bytes it takes in memory; 0 before it is first used.</summary>
    public long Bytes => there is { } t ? t.Weight.Bytes + (t.Bias?.numel() ?? 0) * sizeof(float) : 0;

    /// <summary><c>[.., in]</c> to <c>[.., out]</c>.</summary>
    public Tensor Apply(Tensor x)
    {
        var (weight, bias) = there ??= read();
        return StoredProduct.Of(x, weight, bias);
    }

    /// <summary>What becomes of a direction: <see cref="Apply"/> without the bias.</summary>
    public Tensor Direction(Tensor x) => StoredProduct.Of(x, (there ??= read()).Weight, null);

    public void Dispose()
    {
        there?.Weight.Dispose();
        there?.Bias?.Dispose();
        there = null;
    }
}
