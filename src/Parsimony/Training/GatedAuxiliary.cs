namespace Parsimony.Training;

/// <summary>What Gated's second reconstruction, from the gate alone, may teach.</summary>
public enum GatedAuxiliary
{
    /// <summary>The gate only: W_dec and b_dec count as constants (the paper, dictionary_learning).</summary>
    FrozenDecoder,
    /// <summary>The decoder too (SAELens).</summary>
    LearningDecoder,
}
