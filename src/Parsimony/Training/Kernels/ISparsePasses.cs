using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>The weights and moments that the passes read and move.</summary>
/// <param name="WEnc"><c>[d_sae, d_model]</c>, the transpose of what is on disk.</param>
/// <param name="WDec"><c>[d_sae, d_model]</c>.</param>
/// <param name="BDec"><c>[d_model]</c>.</param>
internal readonly record struct LatentRows(AdamPointers WEnc, AdamPointers WDec, AdamPointers BDec);

/// <summary>What a step measured, before its update.</summary>
/// <param name="SquaredErrors">Of each reconstruction, mean over tokens.</param>
/// <param name="Sparsity">What the rule summed up for the sparsity term (<see cref="LatentGradients.Sparsity"/>), mean over tokens.</param>
internal readonly record struct SparseMeasures(double[] SquaredErrors, double Sparsity);

/// <summary>The passes of one step, without the width of the registers they were compiled for.</summary>
internal interface ISparsePasses : IDisposable
{
    /// <summary>Runs the whole step; see <see cref="SparsePasses{VPanel, VTile}"/>.</summary>
    /// <param name="x"><c>[batch, d_model]</c>, contiguous.</param>
    /// <param name="target">What shall come out, the same; <paramref name="x"/> itself for all but transcoders.</param>
    /// <param name="inputs">The schedules' numbers.</param>
    SparseMeasures Run(Tensor x, Tensor target, SaeStepInputs inputs);

    /// <summary>xHat - target of the last run, <c>[batch, d_model]</c>; the caller's.</summary>
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
