namespace Parsimony.Reporting;

/// <summary>What the autoencoder costs when it stands in for the layer's activation.</summary>
internal static class SpliceSection
{
    private const string SweepWords =
        "The autoencoder was trained for one layer. In any other it should hurt: if it does not, the layer does not matter.";

    /// <summary>The section; null when nothing was evaluated.</summary>
    public static Section? Render(RunReport r, ReportCharts charts)
    {
        if (r.CeClean is null && charts.LayerSweep is null) return null;
        return new Section("splice", "Spliced into the model", $"""
            <div class="pair">
            {Ladder(r)}
            <div>
            {ReportCharts.Figure(charts.LayerSweep, SweepWords)}
            {Table(r)}
            </div>
            </div>
            """);
    }

    private static string Ladder(RunReport r)
    {
        if (r.CeClean is not { } clean) return "";
        (string Name, double? Loss, Ink Ink)[] losses =
        [
            ("Plain model", clean, Ink.Text), ("With the autoencoder", r.CeSpliced, Ink.Accent),
            ("Layer at its mean", r.CeMeanAblated, Ink.Soft), ("Layer at zero", r.CeZeroAblated, Ink.Warm),
        ];
        double widest = Math.Max(1e-9, losses.Max(row => (row.Loss ?? clean) - clean));
        var rows = from row in losses
                   where row.Loss is not null
                   let loss = row.Loss.GetValueOrDefault()
                   let excess = loss - clean
                   let change = row.Ink == Ink.Text ? "" : Number.Signed(excess)
                   select new BarRow(row.Name, Math.Max(0, excess) / widest, row.Ink, Number.Loss(loss), change);
        string kept = r.CeLossRecovered is { } recovered
            ? $" The autoencoder closes {Number.Percent(recovered)} of the gap between a silenced layer and the plain model." : "";
        string divergence = r is { KlSpliced: { } kl, KlZeroAblated: { } klZero }
            ? $" Its predictions are {Number.Loss(kl)} nats per token (KL) from the plain model’s, a silenced layer’s {Number.Loss(klZero)}." : "";
        string conditions = r.Evaluation is { } evaluation ? $" Measured under the {Html.Escape(evaluation.Conditions)}." : "";
        return $"""
            <figure>
            <h3>Loss on {Html.Escape(r.EvaluatedText ?? "held-out text")} <small>nats per token</small></h3>
            {Bars.Table([$"what stands at {r.Hook ?? "the hook"}", "excess", "loss", "change"], rows)}
            <figcaption>Bars show the loss above the plain model’s.{kept}{divergence}{conditions}</figcaption>
            </figure>
            """;
    }

    private static string Table(RunReport r)
    {
        if (r.LayerSweep is not { Count: > 0 } sweep) return "";
        bool zero = sweep.Any(entry => entry.CeZeroAblated is not null);
        var rows = sweep.Select(entry => $"<tr><th scope=\"row\">{entry.Layer}</th><td>{Number.Loss(entry.CeSpliced)}</td>"
            + (zero ? $"<td>{(entry.CeZeroAblated is { } at0 ? Number.Loss(at0) : "")}</td>" : "") + "</tr>");
        return $"""
            <details><summary>Numbers</summary>
            <table>
            <thead><tr><th scope="col">layer</th><th scope="col">spliced</th>{(zero ? "<th scope=\"col\">at zero</th>" : "")}</tr></thead>
            <tbody>{string.Concat(rows)}</tbody>
            </table>
            </details>
            """;
    }
}
