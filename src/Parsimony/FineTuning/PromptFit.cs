using Parsimony.Tokens;

namespace Parsimony.FineTuning;

/// <summary>What is done with a prompt that is too long.</summary>
public enum LongPrompts
{
    /// <summary>Its beginning is cut off: what comes right before the answer matters most.</summary>
    TruncateLeft,
    /// <summary>Its row is left out.</summary>
    Drop,
}

/// <summary>Makes prompts fit.</summary>
internal static class PromptFit
{
    /// <summary>The last tokens of a prompt, the token that begins a document kept in front where there is one.</summary>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="room">How many may be left, 1 or more.</param>
    /// <param name="tokenizer">The tokenizer they are from.</param>
    public static int[] Cut(int[] prompt, int room, Tokenizer tokenizer)
    {
        if (prompt.Length <= room) return prompt;
        bool begins = prompt[0] == tokenizer.BeginOfTextId && room > 1;
        return begins ? [prompt[0], .. prompt[^(room - 1)..]] : prompt[^room..];
    }
}
