namespace Parsimony.Training;

/// <summary>How the rows of <c>W_dec</c> are kept at unit norm.</summary>
public enum DecoderConstraint
{
    /// <summary>Adam, then every row is divided by its norm.</summary>
    Renormalise,
    /// <summary>The part of the gradient along each row is removed first; then Adam; then every row is divided by its norm.</summary>
    ProjectAndRenormalise,
}
