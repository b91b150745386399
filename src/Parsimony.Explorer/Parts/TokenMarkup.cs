using System.Text;
using Microsoft.AspNetCore.Components;
using Parsimony.Exploration;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Parts;

/// <summary>Text with its tokens shaded, written as one string: thousands of tokens are no components. All text is escaped; characters that tokens share are joined.</summary>
public static class TokenMarkup
{
    /// <summary>A context of a latent: the deeper the shade, the stronger it fires; tooltips say how strongly.</summary>
    /// <param name="context">The context.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="strongest">The activation that is shaded most deeply.</param>
    public static MarkupString Of(FeatureContext context, Tokenizer tokenizer, double strongest) => Of(
        ShadedText.Join([.. context.Tokens.Select(t => tokenizer.Bytes(t.Id).ToArray())], [.. context.Tokens.Select(t => t.Activation)], context.PeakIndex), strongest);

    /// <summary>The same of text that is joined already.</summary>
    public static MarkupString Of(ShadedText text, double strongest)
    {
        var html = new StringBuilder();
        for (int i = 0; i < text.Text.Count; i++)
        {
            float a = text.Activations[i];
            Piece(html, text.Text[i], a > 0 ? Math.Clamp(a / strongest, 0.02, 1) : 0, i == text.Peak ? "peak" : "", a > 0 ? Number.Text(a) : null);
        }
        return new MarkupString(html.ToString());
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
            .Append(tip is null ? "" : $" data-tip=\"{Html.Escape(tip)}\"").Append(attributes).Append('>').Append(visible).Append("</span>");
    }
}
