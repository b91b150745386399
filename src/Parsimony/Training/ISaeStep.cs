using Parsimony.Autoencoders;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>What one step saw, before its update. Belongs to the caller's dispose scope.</summary>
/// <param name="Residual">xHat - x, <c>[batch, d_model]</c>.</param>
/// <param name="Mse">Mean over tokens of |xHat - x|², a scalar.</param>
/// <param name="L1">Mean over tokens of Σ f, not weighted, a scalar.</param>
/// <param name="Fires">On how many tokens each latent was above zero, <c>[d_sae]</c> float32.</param>
public readonly record struct SaeStepResult(Tensor Residual, Tensor Mse, Tensor L1, Tensor Fires);

/// <summary>One step of learning: an autoencoder, its optimiser state and the way to move both by one batch.
/// The trainer knows nothing else of it, so a faster step, or another architecture, is another class behind this.</summary>
public interface ISaeStep : IDisposable
{
    /// <summary>Width of the activations.</summary>
    int DModel { get; }

    /// <summary>Number of latents.</summary>
    int DSae { get; }

    /// <summary>Moves the weights by one batch.</summary>
    /// <param name="x">Activations, <c>[batch, d_model]</c>; not changed.</param>
    /// <param name="step">Number of this step, from 1 (Adam's bias correction needs it).</param>
    /// <param name="learningRate">Adam's rate for this step.</param>
    /// <param name="l1Coefficient">Weight of the L1 term for this step.</param>
    SaeStepResult Run(Tensor x, long step, double learningRate, double l1Coefficient);

    /// <summary>Gives some latents new weights, bias zero, and optimiser moments of zero, as if they were newborn.</summary>
    /// <param name="latents">Their indices, <c>[n]</c> int64.</param>
    /// <param name="encoderColumns"><c>[d_model, n]</c>.</param>
    /// <param name="decoderRows"><c>[n, d_model]</c>, unit norm.</param>
    void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows);

    /// <summary>A copy of the autoencoder as it stands; the caller's to dispose.</summary>
    SparseAutoencoder ToAutoencoder();

    /// <summary>Everything a checkpoint needs, by name; the tensors stay this object's.</summary>
    IReadOnlyDictionary<string, Tensor> State();

    /// <summary>Takes over what <see cref="State"/> gave once. The arguments stay the caller's.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    void Restore(IReadOnlyDictionary<string, Tensor> state);
}
