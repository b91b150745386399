using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The one dense product of a step, and the entries above zero that it leaves.</summary>
internal interface IEncoderProduct : IDisposable
{
    /// <summary>Fills the active entries from a batch, whose tiles are filled already.</summary>
    /// <param name="x"><c>[batch, d_model]</c>.</param>
    void FindActive(Tensor x);
}

/// <summary>Who multiplies.</summary>
internal enum EncoderBy
{
    /// <summary><see cref="EncoderKernel{V}"/>.</summary>
    Kernel,

    /// <summary><see cref="TorchEncoder{V}"/>.</summary>
    Libtorch,
}
