namespace Parsimony.Reporting;

/// <summary>How often the latents fire.</summary>
internal static class DensitySection
{
    /// <summary>The section; null when densities were not measured.</summary>
    public static Section? Render(RunReport r, ReportCharts charts)
    {
        if (r.Density is not { } density) return null;
        (string Name, int Latents)[] rows =
        [
            ("never", density.Dead), ("on fewer than 1 in 10,000", Between(density, double.NegativeInfinity, -4)),
            ("up to 1 in 1,000", Between(density, -4, -3)), ("up to 1 in 100", Between(density, -3, -2)),
            ("up to 1 in 10", Between(density, -2, -1)), ("on more than 1 in 10", Between(density, -1, 0.1)),
        ];
        int all = Math.Max(1, rows.Sum(row => row.Latents)), most = Math.Max(1, rows.Max(row => row.Latents));
        string silent = density.Dead > 0 ? $" {Number.Count(density.Dead)} that never fired are not in the picture." : "";
        var bars = rows.Select(row => new BarRow(row.Name, (double)row.Latents / most, row.Name == "never" ? Ink.Warm : Ink.Accent,
            Number.Count(row.Latents), Number.Percent((double)row.Latents / all)));
        return new Section("density", "Density", $"""
            <div class="pair">
            {ReportCharts.Figure(charts.Density,
                "Each latent counts once, at the share of tokens that make it fire; the axis is logarithmic." + silent)}
            <figure>
            <h3>Latents by how often they fire</h3>
            {Bars.Table(["tokens", "", "latents", "share"], bars)}
            <figcaption>A latent that fires on more than one token in ten rarely has one meaning; one that never fires has none.</figcaption>
            </figure>
            </div>
            """);
    }

    private static int Between(DensityHistogram density, double above, double upTo) => Enumerable.Range(0, density.Counts.Count)
        .Where(i => density.Log10Edges[i] >= above - 1e-9 && density.Log10Edges[i] < upTo - 1e-9).Sum(i => density.Counts[i]);
}
