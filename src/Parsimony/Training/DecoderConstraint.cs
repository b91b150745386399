namespace Parsimony.Training;

/// <summary>What is done about the length of the rows of <c>W_dec</c>.</summary>
public enum DecoderConstraint
{
    /// <summary>Adam, then every row is divided by its norm.</summary>
    Renormalise,
    /// <summary>The part of the gradient along each row is removed first; then Adam; then every row is divided by its norm.</summary>
    ProjectAndRenormalise,
    /// <summary>The gradient is projected and the rows are divided by their norms before Adam, which then leaves them near unit norm
    /// (neelnanda-io/1L-Sparse-Autoencoder).</summary>
    RenormaliseBefore,
    /// <summary>Rows may have any length; where there is an L1 it is weighted by it, <c>Σ f |row|</c> (SAELens).</summary>
    Free,
}
