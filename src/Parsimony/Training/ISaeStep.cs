using Parsimony.Autoencoders;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>What the schedules say about one step.</summary>
/// <param name="Step">Number of this step, from 1 (Adam's bias correction needs it).</param>
/// <param name="LearningRate">Adam's rate.</param>
/// <param name="SparsityCoefficient">Weight of the sparsity term, for the article's SAE its beta.</param>
public readonly record struct SaeStepInputs(long Step, double LearningRate, double SparsityCoefficient);

/// <summary>What one step saw, before its update. Belongs to the caller's dispose scope.</summary>
/// <param name="Residual">xHat - target, <c>[batch, d_out]</c>.</param>
/// <param name="Loss">What was minimised, a scalar: Mse + coefficient · Sparsity + Auxiliary.</param>
/// <param name="Mse">Mean over tokens of |xHat - target|², a scalar.</param>
/// <param name="Sparsity">The sparsity term before its coefficient, for the article's SAE the mean over tokens of Σ f; a scalar, 0 without one.</param>
/// <param name="Fires">On how many tokens each latent was above zero, <c>[d_sae]</c> float32.</param>
/// <param name="Auxiliary">What else is in the loss, weighted as it is there (AuxK, Gated's second reconstruction, Matryoshka's prefixes), a scalar; null: nothing.</param>
/// <param name="Sums">Each latent's sum over the batch, <c>[d_sae]</c>; null: not known.</param>
public readonly record struct SaeStepResult(
    Tensor Residual, Tensor Loss, Tensor Mse, Tensor Sparsity, Tensor Fires, Tensor? Auxiliary = null, Tensor? Sums = null)
{
    /// <summary>The same out of a step's own dispose scope.</summary>
    internal SaeStepResult MoveOut()
    {
        foreach (var t in (Tensor?[])[Residual, Loss, Mse, Sparsity, Fires, Auxiliary, Sums]) t?.MoveToOuterDisposeScope();
        return this;
    }
}

/// <summary>One step of learning: an autoencoder, its optimiser state and the way to move both by one batch.
/// The trainer knows nothing else of it, so a faster step, or another architecture, is another class behind this.</summary>
public interface ISaeStep : IDisposable
{
    /// <summary>Width of the activations.</summary>
    int DModel { get; }

    /// <summary>Number of latents.</summary>
    int DSae { get; }

    /// <summary>Width of what comes out: <see cref="DModel"/> for all but transcoders.</summary>
    int DOut => DModel;

    /// <summary>Moves the weights by one batch.</summary>
    /// <param name="x">Activations, <c>[batch, d_model]</c>; not changed.</param>
    /// <param name="target">What shall come out, <c>[batch, d_out]</c>: <paramref name="x"/> itself for all but transcoders; not changed.</param>
    /// <param name="inputs">Number of the step, rates and coefficients.</param>
    SaeStepResult Run(Tensor x, Tensor target, SaeStepInputs inputs);

    /// <summary>Gives some latents new weights, bias zero, and optimiser moments of zero, as if they were newborn.</summary>
    /// <param name="latents">Their indices, <c>[n]</c> int64.</param>
    /// <param name="encoderColumns"><c>[d_model, n]</c>.</param>
    /// <param name="decoderRows"><c>[n, d_out]</c>, unit norm.</param>
    void Replace(Tensor latents, Tensor encoderColumns, Tensor decoderRows);

    /// <summary>A copy of the autoencoder as it stands; the caller's to dispose.</summary>
    ISparseAutoencoder ToAutoencoder();

    /// <summary>Everything a checkpoint needs, by name; the tensors stay this object's.</summary>
    IReadOnlyDictionary<string, Tensor> State();

    /// <summary>Takes over what <see cref="State"/> gave once. The arguments stay the caller's.</summary>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    void Restore(IReadOnlyDictionary<string, Tensor> state);
}
