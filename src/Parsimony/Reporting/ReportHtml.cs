using Parsimony.Files;

namespace Parsimony.Reporting;

/// <summary>
/// Writes a run's report as one HTML file that needs nothing else: no other file, no network, no script. It reads well on paper,
/// on a phone, in the light and in the dark.
/// </summary>
public static class ReportHtml
{
    private const string Policy = "default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data:";

    /// <summary>Writes the page, whole or not at all.</summary>
    /// <param name="path">Where to; an existing file is replaced.</param>
    /// <param name="report">What the run found out. What is null is left out.</param>
    /// <param name="curves">The run's curves, see <see cref="Curve.OfRun"/>; null for none.</param>
    /// <param name="plotsFolder">A folder for the pictures as PNG files as well; null for none.</param>
    /// <exception cref="IOException">The page cannot be written; nothing is left behind.</exception>
    public static void Write(
        string path, RunReport report, IReadOnlyDictionary<string, Curve>? curves = null, string? plotsFolder = null)
    {
        ArgumentNullException.ThrowIfNull(report);
        var charts = new ReportCharts(report, curves ?? new Dictionary<string, Curve>());
        AtomicFile.WriteText(path, Page(report, charts));
        if (plotsFolder is null) return;
        Directory.CreateDirectory(plotsFolder);
        foreach (var chart in charts.All) chart.SavePng(Path.Combine(plotsFolder, chart.Name + ".png"));
    }

    private static string Page(RunReport report, ReportCharts charts)
    {
        Section?[] all =
        [
            SpliceSection.Render(report, charts),
            TrainingSection.Render(charts),
            DensitySection.Render(report, charts),
            FeatureSection.Features(report),
            FinetuneSection.Render(report, charts),
            RlhfSection.Render(report, charts),
            .. AnalysisSection.Render(report, charts),
            FeatureSection.MostMoved(report),
            SampleSection.Render(report),
            RunSection.Render(report),
        ];
        var sections = all.OfType<Section>().ToArray();
        string title = report.ModelName is { } model ? $"{model}, {report.Hook ?? "report"}" : report.Hook ?? "Report";
        return $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width, initial-scale=1" />
            <meta http-equiv="Content-Security-Policy" content="{Policy}" />
            <meta name="color-scheme" content="light dark" />
            <meta name="generator" content="Parsimony {Html.Escape(report.Version)}" />
            <title>{Html.Escape(title)} · Parsimony</title>
            <link rel="icon" href="data:," />
            <style>
            {FontFace(400, "Inter-Regular.woff2")}
            {FontFace(600, "Inter-SemiBold.woff2")}
            {Asset.Text("report.css")}
            </style>
            </head>
            <body>
            <header>
            <p class="over">Parsimony · run report{(report.Date is { } date ? $" · <time>{date:d MMMM yyyy}</time>" : "")}</p>
            <h1>{Html.Escape(title)}</h1>
            <p class="lead">{KeyFigures.Sentence(report)}</p>
            <nav aria-label="Sections">{string.Join(" ", sections.Select(s => $"<a href=\"#{s.Id}\">{s.Title}</a>"))}</nav>
            </header>
            <main>
            {KeyFigures.Cards(report)}
            {string.Join("\n", sections.Select(s => $"<section id=\"{s.Id}\">\n<h2>{s.Title}</h2>\n{s.Body}\n</section>"))}
            </main>
            <footer>Losses are nats per token. Every number is defined in docs/metrics.md. Parsimony {Html.Escape(report.Version)}.</footer>
            </body>
            </html>

            """;
    }

    private static string FontFace(int weight, string file) =>
        $$"""@font-face { font-family: "{{ChartFont.Name}}"; font-weight: {{weight}}; src: url("{{Asset.DataUri(file, "font/woff2")}}") format("woff2"); }""";
}

/// <summary>One part of the page.</summary>
/// <param name="Id">Its anchor.</param>
/// <param name="Title">Its heading.</param>
/// <param name="Body">Its markup.</param>
internal sealed record Section(string Id, string Title, string Body);
