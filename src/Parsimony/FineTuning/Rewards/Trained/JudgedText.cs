using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>A prompt and a text after it, as a reward model reads them. The end of text is not read: after it a language model speaks of something else.</summary>
/// <param name="Tokens">The ids of both, one or more.</param>
/// <param name="First">Where the text begins that is judged; below the number of tokens.</param>
public sealed record JudgedText(int[] Tokens, int First)
{
    /// <summary>Whether there is a prompt in front of what is judged.</summary>
    public bool HasPrompt => First > 0;

    /// <summary>Puts the two together. Where they are too long the prompt loses its beginning, and only then what is judged; of nothing at all the end of text alone is read.</summary>
    /// <param name="prompt">The prompt's ids; may be none.</param>
    /// <param name="text">The ids of what is judged; an end of text behind it is taken off.</param>
    /// <param name="limit">The most tokens that both may have, 1 or more.</param>
    /// <param name="tokenizer">The tokenizer they are from.</param>
    /// <returns>The text, and whether anything was cut off.</returns>
    /// <exception cref="ArgumentException">There is no token at all, and the tokenizer has no end of text.</exception>
    public static (JudgedText Text, bool Cut) Of(ReadOnlySpan<int> prompt, ReadOnlySpan<int> text, int limit, Tokenizer tokenizer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        if (text.Length > 0 && text[^1] == tokenizer.EndOfTextId) text = text[..^1];
        int room = limit - text.Length;
        int[] kept = prompt.Length <= room ? prompt.ToArray() : room > 0 ? PromptFit.Cut(prompt.ToArray(), room, tokenizer) : [];
        int[] tokens = [.. kept, .. text[Math.Max(0, text.Length - limit)..]];
        if (tokens.Length == 0) tokens = tokenizer.EndOfTextId is { } end ? [end] : throw new ArgumentException(
            "an empty text without a prompt cannot be judged by this model: its tokenizer has no end of text that could stand for it. Give a prompt.", nameof(text));
        return (new JudgedText(tokens, Math.Min(kept.Length, tokens.Length - 1)), room < prompt.Length);
    }
}
