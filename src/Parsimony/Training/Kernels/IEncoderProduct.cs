using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>Which pre-activations become entries: those with <c>product + Shift[latent] > Floors[token]</c>, with the value <c>product + Bias[latent]</c>.</summary>
/// <param name="bias"><c>[d_sae]</c>.</param>
/// <param name="shift"><c>[d_sae]</c>.</param>
/// <param name="floors"><c>[padded batch]</c>.</param>
internal readonly unsafe struct EntryBounds(float* bias, float* shift, float* floors)
{
    public readonly float* Bias = bias, Shift = shift, Floors = floors;
}

/// <summary>The one dense product of a step, and the entries that it leaves.</summary>
internal interface IEncoderProduct : IDisposable
{
    /// <summary>Adds the entries of some latents; the tiles are filled already.</summary>
    /// <param name="x"><c>[batch, d_model]</c>, with b_dec where the encoder takes it off.</param>
    /// <param name="first">First latent.</param>
    /// <param name="end">Behind the last one.</param>
    /// <param name="bounds">Which.</param>
    void FindActive(Tensor x, int first, int end, EntryBounds bounds);
}

/// <summary>Who multiplies.</summary>
internal enum EncoderBy
{
    /// <summary><see cref="EncoderKernel{V}"/>.</summary>
    Kernel,

    /// <summary><see cref="TorchEncoder{V}"/>.</summary>
    Libtorch,
}
