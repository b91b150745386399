using Parsimony.Models;

namespace Parsimony.Evaluation;

/// <summary>What an SAE costs and keeps when it is spliced into its model. Losses are mean next-token cross-entropy in nats per token.</summary>
public sealed record SpliceReport
{
    /// <summary>Where the SAE was spliced in.</summary>
    public required HookPoint At { get; init; }

    /// <summary>Loss of the plain model.</summary>
    public required double CeClean { get; init; }

    /// <summary>Loss with the SAE's reconstruction in place of the activation (the article's splice).</summary>
    public required double CeSpliced { get; init; }

    /// <summary>Loss with the SAE spliced in as a delta, its error kept; without dials it is <see cref="CeClean"/> by law and is not run.</summary>
    public required double CeSplicedDelta { get; init; }

    /// <summary>Loss with zeros in place of the activation.</summary>
    public required double CeZeroAblated { get; init; }

    /// <summary>Loss with the activation's mean over these tokens in its place.</summary>
    public required double CeMeanAblated { get; init; }

    /// <summary>Mean over predictions of KL(plain || spliced), the divergence of the next-token distributions; 0 changes nothing, nats per token.</summary>
    public required double KlSpliced { get; init; }

    /// <summary>The same with the SAE as a delta; 0 without dials.</summary>
    public required double KlSplicedDelta { get; init; }

    /// <summary>The same with zeros in place of the activation.</summary>
    public required double KlZeroAblated { get; init; }

    /// <summary>The same with the activation's mean in its place.</summary>
    public required double KlMeanAblated { get; init; }

    /// <summary>Tokens that were predicted; the losses and divergences are means over them.</summary>
    public required long Predictions { get; init; }

    /// <summary>How well the SAE reconstructs the activations of these tokens, and how sparsely.</summary>
    public required ReconstructionReport Reconstruction { get; init; }

    /// <summary>How often each latent fires on these tokens.</summary>
    public SparsityReport Sparsity => Reconstruction.Sparsity;

    /// <summary>Tokens the activations were measured on.</summary>
    public long TokensSeen => Reconstruction.TokensSeen;

    /// <summary><see cref="ReconstructionReport.ExplainedVariance"/>.</summary>
    public double ExplainedVariance => Reconstruction.ExplainedVariance;

    /// <summary>Number of latents.</summary>
    public int DSae => Sparsity.Density.Length;

    /// <summary>Mean number of latents that fire on a token.</summary>
    public double L0 => Sparsity.L0;

    /// <summary>Fraction of latents that never fired on these tokens, 0..1.</summary>
    public double DeadFraction => Sparsity.DeadFraction;

    /// <summary>Perplexity of the plain model, exp(<see cref="CeClean"/>), per token of its tokenizer.</summary>
    public double PerplexityClean => Math.Exp(CeClean);

    /// <summary>The same with the reconstruction in place.</summary>
    public double PerplexitySpliced => Math.Exp(CeSpliced);

    /// <summary>(CE_zero - CE_spliced) / (CE_zero - CE_clean): 1 loses nothing, 0 is as bad as zeros. To be shown with its three losses.
    /// NaN when zeros cost nothing.</summary>
    public double CeLossRecovered => (CeZeroAblated - CeSpliced) / (CeZeroAblated - CeClean);

    /// <summary>The same against the mean-ablated loss.</summary>
    public double CeLossRecoveredFromMean => (CeMeanAblated - CeSpliced) / (CeMeanAblated - CeClean);

    /// <summary>(KL_zero - KL_spliced) / KL_zero: 1 loses nothing, 0 is as bad as zeros. NaN when zeros change nothing.</summary>
    public double KlScore => (KlZeroAblated - KlSpliced) / KlZeroAblated;
}
