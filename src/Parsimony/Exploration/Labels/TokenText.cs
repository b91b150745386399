using System.Globalization;
using System.Text;
using Parsimony.Tokens;

namespace Parsimony.Exploration.Labels;

/// <summary>Tokens as they stand in a label.</summary>
internal static class TokenText
{
    /// <summary>Tokens in quotes, <c>' dog'</c>: spaces as they are, what cannot be seen made visible, whole characters where they are whole.</summary>
    public static string Quoted(Tokenizer tokenizer, params ReadOnlySpan<int> ids) => $"'{Plain(tokenizer, ids)}'";

    /// <summary>The same without quotes.</summary>
    public static string Plain(Tokenizer tokenizer, ReadOnlySpan<int> ids)
    {
        string joined = tokenizer.Decode(ids);
        var text = new StringBuilder();
        if (!joined.Contains('\ufffd', StringComparison.Ordinal) && joined.Length > 0)
            foreach (var rune in joined.EnumerateRunes())
                text.Append(rune.Value switch
                {
                    '\n' => "↵",
                    '\t' => "⇥",
                    _ when Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => $"<U+{rune.Value:X4}>",
                    _ => rune.ToString(),
                });
        else foreach (int id in ids) text.Append(tokenizer.Display(id).Replace('␣', ' ')); // parts of characters, ids without bytes
        return text.ToString();
    }

    /// <summary>What a token says, whatever its case and the space in front of it; null where it says nothing but space or parts of characters.</summary>
    public static string? Word(Tokenizer tokenizer, int id)
    {
        string word = tokenizer.Decode([id]).Trim().ToLowerInvariant();
        return word.Length == 0 || word.Contains('\ufffd', StringComparison.Ordinal) ? null : word;
    }
}
