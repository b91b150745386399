using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>A matrix <c>[out, in]</c> of a model, in whatever storage.</summary>
internal interface IStoredMatrix : IDisposable
{
    /// <summary>Bytes it takes in memory while it is not used.</summary>
    long Bytes { get; }

    /// <summary>The matrix as its storage gives it back, float32 <c>[out, in]</c>; a copy that the caller owns.</summary>
    Tensor Dequantised();

    /// <summary><c>x W^T + bias</c>, <c>[.., in]</c> to <c>[.., out]</c>, float32. Gradients flow to x; the matrix is frozen.</summary>
    Tensor Linear(Tensor x, Tensor? bias);
}
