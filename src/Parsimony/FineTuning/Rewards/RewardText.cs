using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A prompt and how a model went on from it: what a reward looks at.</summary>
public sealed class RewardText
{
    private readonly Tokenizer tokenizer;
    private readonly TokenSpans spans;
    private int[]? promptTokens;

    /// <summary>A continuation as it was sampled.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="prompt">What the model was given; may be empty.</param>
    /// <param name="tokens">The ids it went on with, without padding. The first end of text ends them: it belongs to them, what follows does not.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative.</exception>
    public RewardText(Tokenizer tokenizer, string prompt, ReadOnlySpan<int> tokens)
    {
        int end = tokenizer.EndOfTextId is { } id ? tokens.IndexOf(id) : -1;
        Ended = end >= 0;
        Tokens = (Ended ? tokens[..(end + 1)] : tokens).ToArray();
        spans = new TokenSpans(tokenizer, Tokens.AsSpan(0, TextTokens));
        (Prompt, this.tokenizer) = (prompt, tokenizer);
    }

    /// <summary>A continuation of a prompt whose ids are known.</summary>
    public RewardText(Tokenizer tokenizer, RolloutPrompt prompt, ReadOnlySpan<int> tokens) : this(tokenizer, prompt.Text, tokens) => promptTokens = prompt.Tokens;

    /// <summary>The tokenizer of its ids.</summary>
    internal Tokenizer Tokenizer => tokenizer;

    /// <summary>What the model was given.</summary>
    public string Prompt { get; }

    /// <summary>Its ids.</summary>
    public int[] PromptTokens => promptTokens ??= tokenizer.EncodeDocument(Prompt);

    /// <summary>The continuation alone, without the end of text.</summary>
    public string Text => spans.Text;

    /// <summary>Its ids, the end of text included where there is one.</summary>
    public int[] Tokens { get; }

    /// <summary>Whether the model ended the text itself.</summary>
    public bool Ended { get; }

    /// <summary>How many of the <see cref="Tokens"/> the text consists of: all but the end of text.</summary>
    public int TextTokens => Tokens.Length - (Ended ? 1 : 0);

    /// <summary>The text of each of <see cref="Tokens"/> alone; a part of a character is U+FFFD.</summary>
    public IReadOnlyList<string> TokenTexts() => [.. Tokens.Select(id => tokenizer.Decode([id]))];

    /// <summary>Lays a number on the tokens that a part of <see cref="Text"/> comes from, the same share on each.</summary>
    /// <param name="credit">One number for each of <see cref="Tokens"/>; added to.</param>
    /// <param name="start">The part's first character.</param>
    /// <param name="length">Its length in characters, 1 or more.</param>
    /// <param name="value">What is laid on them together.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is empty or not within the text.</exception>
    public void Credit(double[] credit, int start, int length, double value)
    {
        var (first, count) = spans.Of(start, length);
        for (int t = first; t < first + count; t++) credit[t] += value / count;
    }

    /// <summary>The beginning of the text, for messages.</summary>
    internal string Excerpt => Text.Length <= 60 ? Text : Text[..(char.IsHighSurrogate(Text[59]) ? 59 : 60)] + "...";
}
