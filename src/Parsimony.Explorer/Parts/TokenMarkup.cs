using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Components;
using Parsimony.Exploration;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Parts;

/// <summary>Text with its tokens shaded, written as one string: thousands of tokens are no components. All text is escaped; characters that tokens share are joined.</summary>
public static class TokenMarkup
{
    /// <summary>A context of a latent: the deeper the shade, the stronger it fires; tooltips say on what token, and how strongly.</summary>
    /// <param name="context">The context.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="strongest">The activation that is shaded most deeply.</param>
    public static MarkupString Of(FeatureContext context, Tokenizer tokenizer, double strongest) =>
        Of([.. context.Tokens.Select(t => t.Id)], [.. context.Tokens.Select(t => t.Activation)], context.PeakIndex, tokenizer, strongest);

    /// <summary>The same of any text.</summary>
    /// <param name="ids">Its tokens.</param>
    /// <param name="activations">Of each token.</param>
    /// <param name="peak">The token that is marked.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="strongest">The activation that is shaded most deeply.</param>
    /// <param name="known">The tokens whose activations are known; the others are grey. Null: all.</param>
    public static MarkupString Of(IReadOnlyList<int> ids, IReadOnlyList<float> activations, int peak, Tokenizer tokenizer, double strongest, (int First, int End)? known = null)
    {
        var html = new StringBuilder();
        foreach (var (first, end, text) in ShadedText.Pieces([.. ids.Select(id => tokenizer.Bytes(id).ToArray())]))
        {
            float a = activations.Skip(first).Take(end - first).Max();
            string style = peak >= first && peak < end ? "peak" : known is { } window && (first < window.First || first >= window.End) ? "prompt" : "";
            Piece(html, text, a > 0 ? Math.Clamp(a / strongest, 0.02, 1) : 0, style, a > 0 ? $"{Name(tokenizer, [.. ids.Skip(first).Take(end - first)])}\n{Number.Text(a)}" : null);
        }
        return new MarkupString(html.ToString());
    }

    /// <summary>Tokens for a tooltip, a line each: text, id, and the bytes of one whose text cannot be read.</summary>
    public static string Name(Tokenizer tokenizer, params IReadOnlyList<int> ids) => string.Join('\n', ids.Select(id =>
        $"“{tokenizer.Display(id)}”, id {id}" + (IsPrintable(tokenizer.Bytes(id)) ? "" : $", bytes {string.Join(' ', tokenizer.Bytes(id).ToArray().Select(b => b.ToString("X2", CultureInfo.InvariantCulture)))}")));

    /// <summary>A tooltip as the value of an attribute: escaped, its lines kept.</summary>
    public static string Tip(string text) => string.Join("&#10;", text.Split('\n').Select(Html.Escape));

    private static bool IsPrintable(ReadOnlySpan<byte> bytes)
    {
        for (int n; !bytes.IsEmpty; bytes = bytes[n..])
            if (Rune.DecodeFromUtf8(bytes, out var rune, out n) != OperationStatus.Done || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned || (rune.Value != ' ' && Rune.IsWhiteSpace(rune))) return false;
        return true;
    }

    /// <summary>Adds one piece of text: plain where it has neither shade, class nor tooltip.</summary>
    /// <param name="html">What it is added to.</param>
    /// <param name="text">The piece.</param>
    /// <param name="shade">0 to 1; below 0 in the other colour.</param>
    /// <param name="style">Classes.</param>
    /// <param name="tip">What the tooltip says.</param>
    /// <param name="attributes">More attributes, a space before each; not from data.</param>
    public static void Piece(StringBuilder html, string text, double shade, string style = "", string? tip = null, string attributes = "")
    {
        string visible = Html.Visible(text);
        if (text.Contains('\n')) visible = visible.Replace("\u21b5</i>", "\u21b5</i>\n", StringComparison.Ordinal);
        if (shade == 0 && style.Length == 0 && tip is null && attributes.Length == 0)
        {
            html.Append(visible);
            return;
        }
        string classes = (style + (shade < 0 ? " less" : "")).Trim();
        html.Append("<span").Append(classes.Length > 0 ? $" class=\"{classes}\"" : "").Append(shade != 0 ? $" style=\"--a:{Html.Css(Math.Abs(shade))}\"" : "")
            .Append(tip is null ? "" : $" data-tip=\"{Tip(tip)}\"").Append(attributes).Append('>').Append(visible).Append("</span>");
    }
}
