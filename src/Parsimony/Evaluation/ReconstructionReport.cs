namespace Parsimony.Evaluation;

/// <summary>
/// How well and how sparsely an autoencoder reconstructs activations. x is what it shall give (for a transcoder the activation where it
/// writes), xHat what it gives, f its latents; all in raw units, sums in float64. No figure depends on how the tokens were cut into batches.
/// </summary>
public sealed record ReconstructionReport
{
    /// <summary>Mean over tokens of the sum over d_model of <c>(x - xHat)²</c>, squared activation units.</summary>
    public required double Mse { get; init; }

    /// <summary>1 - sum of squared residuals / sum of squared deviations from the mean activation, over all tokens; at most 1, below 0 when
    /// the reconstruction is worse than the mean. NaN when the activation never varies.</summary>
    public required double ExplainedVariance { get; init; }

    /// <summary>Mean over tokens of <c>1 - |x - xHat|² / |x - mean x|²</c>: the mean of ratios that SAELens calls
    /// <c>explained_variance_legacy</c> and SAEBench's paper printed. Tokens at the mean are left out; NaN when all are.</summary>
    public required double ExplainedVarianceLegacy { get; init; }

    /// <summary>Mean over tokens of the cosine of x and xHat, -1 to 1; 0 for an xHat of zero. Tokens with x = 0 are left out; NaN when all are.</summary>
    public required double Cosine { get; init; }

    /// <summary>Mean over tokens of <c>|xHat| / |x|</c>; below 1 the reconstructions are shorter (shrinkage). Tokens with x = 0 are left out.</summary>
    public required double L2Ratio { get; init; }

    /// <summary><c>mean |xHat|² / mean x·xHat</c>; 1 is unbiased, below 1 is shrinkage (Rajamanoharan et al. 2024, "Improving Dictionary
    /// Learning with Gated Sparse Autoencoders", section 3.2). NaN when all reconstructions are zero.</summary>
    public required double RelativeReconstructionBias { get; init; }

    /// <summary>Mean over tokens of the sum of the latents, activation units.</summary>
    public required double L1 { get; init; }

    /// <summary>How often each latent fires, L0, dead and dense latents.</summary>
    public required SparsityReport Sparsity { get; init; }

    /// <summary>Fraction of variance unexplained, 1 - <see cref="ExplainedVariance"/>; 0 is perfect.</summary>
    public double Fvu => 1 - ExplainedVariance;

    /// <summary>Tokens measured.</summary>
    public long TokensSeen => Sparsity.TokensSeen;

    /// <summary>Mean number of latents that fire on a token.</summary>
    public double L0 => Sparsity.L0;
}
