using System.Globalization;
using System.Text;

namespace Parsimony.Reporting;

/// <summary>Text that comes from data, made safe and visible.</summary>
internal static class Html
{
    /// <summary>Text for an element or an attribute: markup is escaped, what cannot be seen is written as its code.</summary>
    public static string Escape(string? text) => Write(text ?? "", rune => rune.Value switch
    {
        '\n' or '\t' => " ",
        _ => IsUnseen(rune) ? Code(rune) : null,
    });

    /// <summary>
    /// Text of which every character must be seen: markup is escaped; newline, tab, control characters and the invisible
    /// marks that reorder text (which could make a page lie) are shown as signs.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="breakLines">Keep line breaks as breaks instead of showing them as signs.</param>
    public static string Visible(string text, bool breakLines = false) => Write(text, rune => rune.Value switch
    {
        '\n' => breakLines ? "\n" : Sign("\u21b5"),
        '\r' when breakLines => "",
        '\t' => Sign("\u21e5"),
        _ => IsUnseen(rune) ? Sign(Code(rune)) : null,
    });

    /// <summary>A number for a style sheet: a point for the decimals, never an exponent.</summary>
    public static string Css(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);

    private static string Write(string text, Func<Rune, string?> special)
    {
        var html = new StringBuilder();
        foreach (var rune in text.EnumerateRunes()) html.Append(special(rune) ?? rune.Value switch
        {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            _ => rune.ToString(),
        });
        return html.ToString();
    }

    private static string Sign(string text) => $"<i>{text}</i>";

    private static string Code(Rune rune) => rune.Value < 0x100 ? $"\\x{rune.Value:x2}" : $"\\u{rune.Value:x4}";

    private static bool IsUnseen(Rune rune) => rune.Value is 0xFEFF or 0x200E or 0x200F or 0x2028 or 0x2029 or 0xFFFE or 0xFFFF
        or (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069)
        || Rune.GetUnicodeCategory(rune) == UnicodeCategory.Control;
}
