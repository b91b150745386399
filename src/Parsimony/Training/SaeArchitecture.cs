namespace Parsimony.Training;

/// <summary>What is trained; docs/training.md has each one's loss. Written as SAELens writes them.</summary>
public enum SaeArchitecture
{
    /// <summary>ReLU and L1: the article's, or, with free decoder rows, SAELens'.</summary>
    Standard,
    /// <summary>Each token keeps its k largest latents (Gao et al. 2024).</summary>
    Topk,
    /// <summary>A batch keeps its k · batch largest; used as JumpReLU with one threshold (Bussmann et al. 2024).</summary>
    Batchtopk,
    /// <summary>BatchTopK whose first latents must do alone, too (Bussmann et al. 2025).</summary>
    MatryoshkaBatchtopk,
    /// <summary>A learnt threshold per latent (Rajamanoharan et al. 2024, "Jumping Ahead").</summary>
    Jumprelu,
    /// <summary>One half decides whether a latent is on, the other how much (Rajamanoharan et al. 2024, "Improving Dictionary Learning").</summary>
    Gated,
    /// <summary>Reads one hook point and writes another (Dunefsky et al. 2024).</summary>
    Transcoder,
}
