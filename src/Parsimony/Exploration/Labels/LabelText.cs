using System.Globalization;
using System.Text;

namespace Parsimony.Exploration.Labels;

/// <summary>What a text in the store may be.</summary>
internal static class LabelText
{
    /// <summary>The text, if it may be kept.</summary>
    /// <exception cref="ArgumentException">It is too long, has half a character or a control character, or is of several lines where one is expected.</exception>
    public static string? Checked(string? text, string what, int longest, bool isLine)
    {
        if (text is null) return null;
        if (text.Length > longest) throw new ArgumentException($"the {what} has {text.Length} characters; {longest} at most are allowed. Shorten it.");
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && !Rune.TryGetRuneAt(text, i, out _) && !(i > 0 && Rune.TryGetRuneAt(text, i - 1, out var whole) && whole.Utf16SequenceLength == 2))
                throw new ArgumentException($"the {what} has half a character at place {i} (U+{(int)text[i]:X4}). Take it out.");
            if (char.GetUnicodeCategory(text[i]) == UnicodeCategory.Control && (isLine || text[i] is not ('\n' or '\r' or '\t')))
                throw new ArgumentException(isLine && text[i] is '\n' or '\r' ? $"the {what} has several lines; one is allowed. What needs more is a note."
                    : $"the {what} has a control character at place {i} (U+{(int)text[i]:X4}). Take it out.");
        }
        return text;
    }
}
