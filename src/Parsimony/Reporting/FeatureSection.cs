using System.Text;

namespace Parsimony.Reporting;

/// <summary>Latents with the text that makes them fire and the tokens they speak for.</summary>
internal static class FeatureSection
{
    private const string HowToRead = """
        The deeper a piece of text is shaded, the more strongly the latent fires on it; the strongest is underlined.
        <i>↵</i> is a line break. Chips are the tokens whose logits the latent’s direction raises (+) or lowers (−) directly,
        past all later layers; only tokens that occur in the text looked through are named. In an early layer that is a small
        part of its effect and can mislead; the contexts are the better witness.
        """;

    private const string HowMovedIsRanked = """
        Ordered by effect: how far the dials move the layer’s output, the mean change of the activation times the length of the
        decoder row. Contexts and shading are those of the untouched autoencoder.
        """;

    /// <summary>The latents chosen to be looked at; null when there are none.</summary>
    public static Section? Features(RunReport r) => r.Features is not { Count: > 0 } features ? null
        : new Section("features", $"{Count(features.Count)} features", Body(features, HowToRead));

    /// <summary>The latents that fine-tuning moved most; null when there are none.</summary>
    public static Section? MostMoved(RunReport r) => r.MostMoved is not { Count: > 0 } moved ? null
        : new Section("moved", "Most moved features", Body(moved, HowMovedIsRanked));

    private static string Body(IReadOnlyList<FeaturePanel> panels, string note) =>
        $"<p class=\"note\">{note}</p>\n<div class=\"features\">\n{string.Join("\n", panels.Select(Panel))}\n</div>";

    private static string Panel(FeaturePanel panel)
    {
        string after = panel.DensityAfter is { } density ? $", after <b>{Number.Percent(density)}</b>" : "";
        var facts = new List<string>
        {
            $"fires on <b>{Number.Percent(panel.Density)}</b> of tokens{after}", $"maximum <b>{Number.Text(panel.MaxActivation)}</b>",
        };
        if (panel.Effect is { } effect) facts.Add($"effect <b>{Number.Text(effect)}</b>");
        return $"""
            <article class="feature">
            <header><h3>Latent {panel.Latent}</h3>{Dials(panel)}<p>{string.Join(" · ", facts)}</p></header>
            <ol class="contexts">{string.Concat(panel.Contexts.Select(context => Context(context, panel.MaxActivation)))}</ol>
            {Chips("up", "Promotes", "+", panel.Promoted)}
            {Chips("down", "Suppresses", "−", panel.Suppressed)}
            </article>
            """;
    }

    private static string Context(ShadedText context, double strongest)
    {
        var html = new StringBuilder("<li dir=\"auto\">");
        for (int i = 0; i < context.Text.Count; i++)
        {
            string text = Html.Visible(context.Text[i]);
            if (i == 0 && text.Length > 1) text = text.TrimStart(' ');
            float a = context.Activations[i];
            if (a > 0)
            {
                // The space before a word is left unshaded: pieces keep apart, and none hangs over the end of a line.
                int space = text.Length > 1 && text[0] == ' ' ? 1 : 0;
                string peak = i == context.Peak ? " class=\"peak\"" : "", share = Html.Css(Math.Clamp(a / strongest, 0.02, 1));
                html.Append(text[..space]).Append($"<span{peak} style=\"--a:{share}\" title=\"{Number.Text(a)}\">{text[space..]}</span>");
            }
            else html.Append(text);
        }
        return html.Append("</li>").ToString();
    }

    private static string Chips(string style, string name, string sign, IReadOnlyList<TokenLogit> tokens)
    {
        if (tokens.Count == 0) return "";
        var chips = tokens.Select(t => $"<bdi title=\"{Number.Signed(t.Logit)}\">{Html.Visible(t.Token)}</bdi>");
        return $"""
            <p class="chips {style}"><span class="sign" title="{name}" role="img" aria-label="{name}">{sign}</span>
            <span>{string.Join(" ", chips)}</span></p>
            """;
    }

    private static string Dials(FeaturePanel panel) => panel is not { Scale: { } c, Shift: { } d } ? ""
        : $"<p class=\"dials\">c <b>{Number.Loss(c)}</b> d <b>{Number.Signed(d)}</b> <em>{InWords(c, d, panel.DensityAfter)}</em></p>";

    private static string InWords(double c, double d, double? densityAfter)
    {
        if (c < 0) return "inverted";
        if (densityAfter == 0) return "switched off";
        string volume = c > 1.02 ? "louder" : c < 0.98 ? "softer" : "";
        string onset = d > 0.005 ? "earlier" : d < -0.005 ? "later" : "";
        return string.Join(", ", new[] { volume, onset }.Where(word => word.Length > 0));
    }

    private static string Count(int n) => n is > 0 and <= 12
        ? "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve".Split(' ')[n - 1] : Number.Count(n);
}
