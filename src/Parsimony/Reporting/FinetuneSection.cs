namespace Parsimony.Reporting;

/// <summary>What learning the dials did.</summary>
internal static class FinetuneSection
{
    /// <summary>The section; null when nothing was fine-tuned.</summary>
    public static Section? Render(RunReport r, ReportCharts charts)
    {
        if (r.Finetune is null && r.Dials is null) return null;
        return new Section("dials", "Fine-tuned dials", $"""
            <p class="note">Just before its ReLU, every latent is scaled by c and shifted by d. Nothing else is trained.
            {(r.Finetune?.Task is { } task ? $"The task: {Html.Escape(task.TrimEnd('.'))}." : "")}</p>
            <div class="pair">
            {Table(r.Finetune)}
            {ReportCharts.Figure(charts.Finetune, "On the examples that are trained on, as the updates saw them.")}
            {ReportCharts.Figure(charts.Scale, $"Above 1 a latent speaks louder, below 1 softer.{Below(r.Dials)}")}
            {ReportCharts.Figure(charts.Shift, $"Above 0 a latent fires earlier, below 0 later.{Killed(r.Dials)}")}
            </div>
            """);
    }

    private static string Table(FinetuneSummary? tuned)
    {
        if (tuned is null) return "";
        (string Name, double? Loss, Ink Ink)[] losses =
        [
            ("Before", tuned.HeldoutBefore, Ink.Soft), ("After", tuned.HeldoutAfter, Ink.Accent),
            ("After, without a signal", tuned.HeldoutNullAfter, Ink.Warm),
        ];
        double most = Math.Max(1e-9, losses.Max(row => tuned.HeldoutBefore - row.Loss ?? 0));
        var rows = from row in losses
                   where row.Loss is not null
                   let loss = row.Loss.GetValueOrDefault()
                   let gain = tuned.HeldoutBefore - loss
                   let change = row.Ink == Ink.Soft ? "" : Number.Signed(-gain)
                   select new BarRow(row.Name, Math.Max(0, gain) / most, row.Ink, Number.Loss(loss), change);
        string nullRun = tuned.HeldoutNullAfter is null ? ""
            : " “Without a signal” is the same training on shuffled labels: a gain it shares is not learning.";
        return $"""
            <figure>
            <h3>Held-out loss <small>nats per token</small></h3>
            {Bars.Table(["dials", "gain", "loss", "change"], rows)}
            <figcaption>Bars show how far the loss fell.{nullRun}</figcaption>
            </figure>
            """;
    }

    private static string Below(DialSummary? dials) => dials is null ? ""
        : $" {Number.Percent(dials.ScaleBelowOne)} of the latents are below 1.";

    private static string Killed(DialSummary? dials) => dials?.Killed is not { } killed ? ""
        : killed == 0 ? " No latent fell silent." : $" {Number.Count(killed)} latents fell silent on the evaluation text.";
}
