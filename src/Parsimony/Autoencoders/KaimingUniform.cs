using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>How latents are born, at the start of training and when a dead one is resampled: Kaiming uniform (He et al. 2015).</summary>
/// <remarks>
/// Both matrices use PyTorch's rule, bound sqrt(6 / fan_in) with fan_in the second axis, as the code that the article follows does:
/// <c>W_enc [d_model, d_sae]</c> has bound sqrt(6 / d_sae) and <c>W_dec [d_sae, d_model]</c> has sqrt(6 / d_model). With unit decoder
/// rows the encoder's bound makes a newborn reconstruction about as long as its input at every expansion factor; sqrt(6 / d_model),
/// the other reading, makes it sqrt(expansion factor) times as long.
/// </remarks>
public static class KaimingUniform
{
    /// <summary>Columns for <c>W_enc</c>, uniform in ±sqrt(6 / d_sae).</summary>
    /// <param name="dModel">Width of the activations.</param>
    /// <param name="count">How many latents to draw.</param>
    /// <param name="dSae">Latents of the whole SAE, which sets the bound.</param>
    /// <param name="generator">Source of the draw; its state advances.</param>
    /// <returns><c>[d_model, count]</c>.</returns>
    public static Tensor EncoderColumns(int dModel, int count, int dSae, Generator generator) =>
        Uniform(dModel, count, Math.Sqrt(6.0 / dSae), generator);

    /// <summary>Rows for <c>W_dec</c>: uniform in ±sqrt(6 / d_model), then divided by their norm.</summary>
    /// <param name="count">How many latents to draw.</param>
    /// <param name="dModel">Width of the activations.</param>
    /// <param name="generator">Source of the draw; its state advances.</param>
    /// <returns><c>[count, d_model]</c>, rows of unit norm.</returns>
    public static Tensor DecoderRows(int count, int dModel, Generator generator) =>
        DecoderRow.Renormalise(Uniform(count, dModel, Math.Sqrt(6.0 / dModel), generator));

    // On the processor, as the generator: the same numbers whatever they are for.
    private static Tensor Uniform(long rows, long columns, double bound, Generator generator) =>
        empty(rows, columns, device: CPU).uniform_(-bound, bound, generator);
}
