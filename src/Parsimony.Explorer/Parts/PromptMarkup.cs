using System.Text;
using Parsimony.Explorer.Model;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Explorer.Parts;

/// <summary>A prompt as markup: its tokens to choose from, and latents over them.</summary>
internal static class PromptMarkup
{
    /// <summary>The text, each piece shaded by how much comes together on it; a click on one chooses its last token.</summary>
    /// <param name="seen">The prompt.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="at">The chosen token.</param>
    public static string Tokens(PromptAnalysis seen, Tokenizer tokenizer, int at)
    {
        float[] strength = [.. seen.Tokens.Select(t => t.Sum(one => one.Rank))];
        float most = Math.Max(strength.DefaultIfEmpty(0).Max(), 1e-6f);
        var html = new StringBuilder();
        foreach (var (first, end, text) in ShadedText.Pieces([.. seen.Ids.Select(id => tokenizer.Bytes(id).ToArray())]))
        {
            int last = end - 1;
            string tip = $"token {(first == last ? $"{last}" : $"{first} to {last}")}: {TokenMarkup.Name(tokenizer, seen.Ids[first..end])}\n{seen.Active[last]} latents"
                + string.Concat(seen.Tokens[last].Take(3).Select(one => $"\n{one.Latent}: {Number.Text(one.Activation)}"));
            html.Append("<span data-token=\"").Append(last).Append('"').Append(at >= first && at < end ? " class=\"peak\"" : "")
                .Append(" style=\"--a:").Append(Html.Css(strength[last] / most * 0.7)).Append("\" data-tip=\"").Append(TokenMarkup.Tip(tip)).Append("\">")
                .Append(Html.Visible(text).Replace("\u21b5</i>", "\u21b5</i>\n", StringComparison.Ordinal)).Append("</span>");
        }
        return html.ToString();
    }

    /// <summary>A table: a row for each latent, a column for each token.</summary>
    /// <param name="seen">The prompt.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="label">What a latent is called; null: nothing.</param>
    public static string HeatMap(PromptAnalysis seen, Tokenizer tokenizer, Func<int, string?> label)
    {
        var html = new StringBuilder("<table class=\"heat\"><thead><tr><th scope=\"col\">latent</th>");
        foreach (int id in seen.Ids) html.Append("<th scope=\"col\" data-tip=\"").Append(TokenMarkup.Tip(TokenMarkup.Name(tokenizer, id))).Append("\"><bdi>").Append(Html.Visible(tokenizer.Display(id))).Append("</bdi></th>");
        html.Append("</tr></thead><tbody>");
        foreach (var row in seen.Latents)
        {
            float most = Math.Max(row.Activations.Max(), 1e-6f);
            html.Append("<tr><th scope=\"row\"><a href=\"features/").Append(row.Latent).Append("\">").Append(row.Latent).Append("</a> ").Append(Html.Escape(label(row.Latent) ?? "")).Append("</th>");
            for (int t = 0; t < row.Activations.Length; t++)
            {
                float a = row.Activations[t];
                html.Append(a > 0 ? $"<td style=\"--a:{Html.Css(a / most)}\" data-tip=\"{row.Latent} on {Html.Escape(tokenizer.Display(seen.Ids[t]))}: {Number.Text(a)}\"></td>" : "<td></td>");
            }
            html.Append("</tr>");
        }
        return html.Append("</tbody></table>").ToString();
    }
}
