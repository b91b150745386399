namespace Parsimony.Exploration.Labels;

/// <summary>How a label was made that no person wrote.</summary>
public enum LabelMethod
{
    /// <summary>From the tokens of its strongest contexts, see <see cref="TokenListLabel"/>.</summary>
    Tokens,

    /// <summary>From n-grams that make it fire, see <see cref="PatternLabel"/>.</summary>
    Pattern,

    /// <summary>By a language model that was shown its contexts, see <see cref="Explain.Explainer"/>.</summary>
    Explainer,
}
