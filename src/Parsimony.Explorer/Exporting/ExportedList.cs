using System.Text;
using System.Text.RegularExpressions;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Exporting;

/// <summary>The list of features in an exported folder: a plain table, where the explorer's own list asks its server for each screenful.</summary>
internal static partial class ExportedList
{
    /// <summary>A page of the explorer with the list in the place of its content.</summary>
    /// <param name="frame">Any page.</param>
    /// <param name="explored">The run.</param>
    /// <param name="latents">The features that are listed.</param>
    public static string Page(string frame, Explored explored, IReadOnlyList<int> latents)
    {
        var index = explored.Index!;
        var labels = explored.LabelsOf([.. latents]);
        var html = new StringBuilder("<h1>Features</h1><p class=\"note\">Largest effect on the next token first; then by mean activation.</p><div class=\"wide\"><table><thead><tr><th>latent</th><th class=\"text\">label</th>"
            + "<th>fires on</th><th>maximum</th><th>mean</th><th>effect, nats</th><th class=\"text\">fires most on</th></tr></thead><tbody data-rows>");
        for (int i = 0; i < latents.Count; i++)
        {
            int latent = latents[i], peak = index.PeakToken[latent];
            float effect = index.Effect[latent];
            html.Append("<tr><td><a data-row href=\"features/").Append(latent).Append("\">").Append(latent).Append("</a></td><td class=\"text\">").Append(Html.Visible(labels[i] ?? "")).Append("</td><td>")
                .Append(Number.Percent(index.Density[latent])).Append("</td><td>").Append(Number.Text(index.Max[latent])).Append("</td><td>").Append(Number.Text(index.Mean[latent])).Append("</td><td>")
                .Append(float.IsNaN(effect) ? "" : Number.Text(effect)).Append("</td><td class=\"text\"><bdi>").Append(peak >= 0 ? Html.Visible(explored.Tokenizer!.Display(peak)) : "").Append("</bdi></td></tr>");
        }
        html.Append("</tbody></table></div>");
        frame = Title().Replace(frame, "<title>Features · Parsimony</title>");
        return Content().Replace(frame, match => match.Groups[1].Value + html + "</main>");
    }

    [GeneratedRegex("<title>.*?</title>", RegexOptions.Singleline)]
    private static partial Regex Title();

    [GeneratedRegex("(<main [^>]*>).*?</main>", RegexOptions.Singleline)]
    private static partial Regex Content();
}
