using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The weights and moments that the passes read and move: one row per latent, all float32.</summary>
/// <param name="WEnc"><c>[d_sae, d_model]</c>, the transpose of what is on disk.</param>
/// <param name="WDec"><c>[d_sae, d_model]</c>.</param>
/// <param name="BEnc"><c>[d_sae]</c>.</param>
/// <param name="BDec"><c>[d_model]</c>.</param>
internal readonly record struct LatentRows(AdamPointers WEnc, AdamPointers WDec, AdamPointers BEnc, AdamPointers BDec);

/// <summary>The passes of one step, without the width of the registers they were compiled for.</summary>
internal interface ISparsePasses : IDisposable
{
    /// <summary>Runs the whole step; see <see cref="SparsePasses{VPanel, VTile}"/>.</summary>
    /// <param name="x"><c>[batch, d_model]</c>, contiguous.</param>
    /// <param name="inputs">The schedules' numbers.</param>
    /// <returns>Mean squared error and mean L1 per token, before the update.</returns>
    (double Mse, double L1) Run(Tensor x, SaeStepInputs inputs);

    /// <summary>xHat - x of the last run, <c>[batch, d_model]</c>; the caller's.</summary>
    Tensor Residual();

    /// <summary>On how many tokens each latent fired in the last run, <c>[d_sae]</c> float32; the caller's.</summary>
    Tensor Fires();

    /// <summary>Each latent's sum over the batch in the last run, <c>[d_sae]</c> float32; the caller's.</summary>
    Tensor Sums();

    /// <summary>Rows of a batch.</summary>
    int Batch { get; }

    /// <summary>Who does the encoder's product; null until the first run, which then chooses.</summary>
    EncoderBy? EncoderBy { get; set; }
}
