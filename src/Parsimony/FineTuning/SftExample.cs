namespace Parsimony.FineTuning;

/// <summary>One thing to learn from: a context of text, a prompt with its completion, or a conversation.</summary>
/// <param name="Tokens">Token ids, 2 or more.</param>
/// <param name="FirstTarget">Index of the first token that is to be predicted, 1 or more: 1 for text, the prompt's length for a completion.</param>
public sealed record SftExample(int[] Tokens, int FirstTarget)
{
    /// <summary>Which of the <see cref="Tokens"/> from <see cref="FirstTarget"/> on are to be predicted; null: all of them.</summary>
    public bool[]? Mask { get; init; }

    /// <summary>How many tokens are to be predicted.</summary>
    public int Targets => Mask is null ? Tokens.Length - FirstTarget : Enumerable.Range(0, Tokens.Length).Count(IsTarget);

    /// <summary>Whether a token is to be predicted.</summary>
    public bool IsTarget(int token) => token >= FirstTarget && token < Tokens.Length && (Mask is null || Mask[token]);
}
