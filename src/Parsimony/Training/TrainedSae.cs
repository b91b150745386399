using Parsimony.Autoencoders;

namespace Parsimony.Training;

/// <summary>What a training run ends with.</summary>
/// <param name="Sae">The autoencoder.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="TokensSeen">Tokens trained on.</param>
/// <param name="SparsityCoefficient">The last weight of the sparsity term, for the article's SAE its beta.</param>
/// <param name="Density">Fraction of recent tokens on which each latent fired, <c>[d_sae]</c>.</param>
/// <param name="DensityTokens">How many recent tokens that is.</param>
/// <param name="DeadFraction">Share of latents that fired on no token of the look-back.</param>
public sealed record TrainedSae(ISparseAutoencoder Sae, long Steps, long TokensSeen, double SparsityCoefficient,
    IReadOnlyList<double> Density, long DensityTokens, double DeadFraction) : IDisposable
{
    /// <summary>Frees the autoencoder.</summary>
    public void Dispose() => Sae.Dispose();
}
