namespace Parsimony.Reporting;

/// <summary>How the autoencoder learned.</summary>
internal static class TrainingSection
{
    /// <summary>The section; null when there are no curves.</summary>
    public static Section? Render(ReportCharts charts)
    {
        string figures = ReportCharts.Figure(charts.Loss, "Squared error and sparsity penalty pull against each other; the total is their sum.")
            + ReportCharts.Figure(charts.L0, "Fewer active latents are easier to read; too few and the reconstruction suffers.")
            + ReportCharts.Figure(charts.ExplainedVariance, "The share of the activations’ variance that the reconstruction keeps.")
            + ReportCharts.Figure(charts.DeadFraction, "Latents that have not fired lately. Resampling gives them a new start.");
        return figures.Length == 0 ? null : new Section("training", "Training", $"<div class=\"pair\">\n{figures}\n</div>");
    }
}
