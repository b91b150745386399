namespace Parsimony.FineTuning;

/// <summary>One thing to learn from: a context of text, or a prompt with its completion.</summary>
/// <param name="Tokens">Token ids, 2 or more.</param>
/// <param name="FirstTarget">Index of the first token that is to be predicted, 1 or more: 1 for text, the prompt's length for a completion.</param>
public sealed record SftExample(int[] Tokens, int FirstTarget)
{
    /// <summary>How many tokens are to be predicted.</summary>
    public int Targets => Tokens.Length - FirstTarget;
}
