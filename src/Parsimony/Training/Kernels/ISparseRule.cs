using Parsimony.Autoencoders;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>
/// What sets one architecture's sparse step apart: which pre-activations become entries, what they are worth, what their reconstructions are, and what a
/// gradient at a value is before the activation function. The passes do the rest, the same for all.
/// </summary>
internal interface ISparseRule : IDisposable
{
    /// <summary>What is learnt of each latent besides its two rows, by name on disk.</summary>
    IReadOnlyList<LatentParameter> Parameters { get; }

    /// <summary>What an entry must hold.</summary>
    EntryPlanes Planes => EntryPlanes.Value;

    /// <summary>The xHats that the loss looks at; one for most.</summary>
    IReadOnlyList<Reconstruction> Reconstructions { get; }

    /// <summary>Whether each reconstruction begins with the one before, as Matryoshka's prefixes do; each latent then feels the errors of all from its own on.</summary>
    bool IsNested => false;

    /// <summary>The reconstruction that counts as the SAE's own.</summary>
    int Main => 0;

    /// <summary>Whether the L1 weighs each latent by its decoder row's norm.</summary>
    bool WeighsByNorms => false;

    /// <summary>What the latents shall reconstruct.</summary>
    /// <param name="x"><c>[batch, d_model]</c>.</param>
    /// <param name="target">What the whole shall, the same.</param>
    /// <returns>The same; in the caller's dispose scope.</returns>
    Tensor OfLatents(Tensor x, Tensor target) => target;

    /// <summary>Finds the step's entries.</summary>
    void Find(SparseBatch batch);

    /// <summary>Turns the gradients at one latent's values into those at its pre-activations, and says what its parameters get. Any thread may ask, each latent once.</summary>
    /// <param name="active">The entries; <see cref="ActiveEntries.Gradients"/> is read and written.</param>
    /// <param name="latent">Which, also one without entries.</param>
    /// <param name="rowNorm">Norm of its decoder row, where <see cref="WeighsByNorms"/>; else 1.</param>
    LatentGradients Gate(ActiveEntries active, int latent, float rowNorm);

    /// <summary>Gradients of rows from outside the entries (AuxK's); null: none in this step. Asked once, after the decoding.</summary>
    ExtraRows? Extra(SparseBatch batch, ISparsePasses passes) => null;

    /// <summary>The squared norm of the gradients of what is learnt and is no latent's, after <see cref="Extra"/>.</summary>
    double RestSquares => 0;

    /// <summary>After the latents' update, the rest's.</summary>
    /// <param name="inputs">The schedules' numbers.</param>
    /// <param name="factor">What every gradient is multiplied by, where their norm is clipped.</param>
    void Finish(SaeStepInputs inputs, double factor)
    {
    }

    /// <summary>The loss's parts.</summary>
    /// <param name="measures">What the passes measured.</param>
    /// <returns>The sparsity term before its coefficient; what else is added to the main squared error, null: nothing.</returns>
    (double Sparsity, double? Auxiliary) Terms(SparseMeasures measures);

    /// <summary>After some latents were born anew: their parameters are zero already.</summary>
    void Replaced(Tensor latents)
    {
    }

    /// <summary>The autoencoder from the matrices and the rule's own parameters; the caller's.</summary>
    ISparseAutoencoder ToAutoencoder(Tensor wEnc, Tensor wDec, Tensor bDec);

    /// <summary>What a checkpoint needs besides the parameters; stays the rule's.</summary>
    IEnumerable<(string Name, Tensor Tensor)> State => [];
}

/// <summary>One xHat.</summary>
/// <param name="Start">First latent that adds to it.</param>
/// <param name="Count">How many from there on.</param>
/// <param name="OfSeconds">Made of the entries' second values, not of their values.</param>
/// <param name="TeachesDecoder">Whether the decoder learns from its error, or only what stands before.</param>
internal readonly record struct Reconstruction(int Start, int Count, bool OfSeconds = false, bool TeachesDecoder = true);

/// <summary>What one latent's entries say.</summary>
/// <param name="Product">Sum of the gradients at its pre-activation products: what b_dec's gradient loses, times the encoder row.</param>
/// <param name="Along">Its decoder row's gradient times the row itself, without <paramref name="RowWeight"/>.</param>
/// <param name="Fires">Tokens on which it is above zero.</param>
/// <param name="Sum">Of its values.</param>
/// <param name="Sparsity">Its share in the sparsity term, times the batch.</param>
/// <param name="RowWeight">What the sparsity term adds to the gradient of the decoder row, as a multiple of the row.</param>
internal readonly record struct LatentGradients(float Product, float Along, float Fires, float Sum, float Sparsity, float RowWeight = 0);
