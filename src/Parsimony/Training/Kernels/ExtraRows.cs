using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>Gradients of some latents' rows that do not come from entries. Such a latent has none.</summary>
/// <param name="index">By latent: the row, or -1; <c>[d_sae]</c>.</param>
/// <param name="wEnc">Gradients of encoder rows, <c>[n, d_model]</c>.</param>
/// <param name="wDec">Of decoder rows.</param>
internal sealed unsafe class ExtraRows(int[] index, Tensor wEnc, Tensor wDec)
{
    private readonly float* encoder = wEnc.Pointer(), decoder = wDec.Pointer();
    private readonly long width = wEnc.shape[1];

    public float* WEnc(int latent) => index[latent] < 0 ? null : encoder + index[latent] * width;

    public float* WDec(int latent) => index[latent] < 0 ? null : decoder + index[latent] * width;
}
