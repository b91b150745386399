using Parsimony.FineTuning.Analysis;

namespace Parsimony.Reporting;

/// <summary>What the dials changed, honestly.</summary>
internal static class AnalysisSection
{
    private const int Rows = 12;

    /// <summary>A section for each hook point, and one for them together where there are several; none when nothing was analysed.</summary>
    public static IEnumerable<Section> Render(RunReport r, ReportCharts charts)
    {
        if (r.Analysis is not { } first) yield break;
        DialAnalysis[] all = [first, .. r.FurtherAnalyses ?? []];
        if (r.JointLedger is { } joint) yield return new Section("analysis-joint", "What changed, in all", Together(joint, first));
        foreach (var (i, a) in all.Index())
            yield return new Section(i == 0 ? "analysis" : $"analysis-{i + 1}", all.Length == 1 ? "What changed" : $"What changed at {Html.Escape(a.Hook)}", Body(a, charts.Analyses[i]));
    }

    private static string Body(DialAnalysis a, AnalysisPictures charts)
    {
        string verdict = string.Join("\n", a.Sentences.Select(s => $"<li>{Html.Escape(s)}</li>"));
        string body = a.Changed == 0 ? "" : $"""
            <div class="pair">
            {ReportCharts.Figure(charts.NullRuns, "The same training with nothing to learn: what lies within its band is no finding.")}
            {ReportCharts.Figure(charts.Lorenz, Lorenz(a))}
            {ReportCharts.Figure(charts.KeepDrop, KeepDrop(a))}
            {ReportCharts.Figure(charts.Doses, Doses(a))}
            {Books(a, a.Ledger)}
            {Price(a)}
            {ReportCharts.Figure(charts.Pareto, "Up and to the left is better. Compare only what was measured on the same examples.")}
            {Methods(a)}
            {Similarity(a)}
            </div>
            {Features(a)}
            {Singles(a)}
            {Examples(a)}
            """;
        return $"<ul class=\"verdict\">\n{verdict}\n</ul>\n{body}";
    }

    /// <summary>How much of the whole change each hook point has, and its features among those of all.</summary>
    private static string Together(JointLedger joint, DialAnalysis any)
    {
        double most = Math.Max(joint.Hooks.Max(h => Math.Abs(h.Credit)), 1e-300);
        var rows = joint.Hooks.Select(h => new BarRow(h.Hook, Math.Abs(h.Credit) / most, h.Credit > 0 == any.HigherIsBetter ? Ink.Accent : Ink.Warm,
            [Signed(h.Credit), joint.Ledger.Change == 0 ? "" : Number.Percent(h.Share), Number.Count(h.Changed)]));
        return $"""
            <div class="pair">
            <figure>
            <h3>By hook point <small>{Html.Escape(any.Objective)}</small></h3>
            {Bars.Table(["whose", "credit", "change", "share", "latents changed"], rows)}
            <figcaption>All dials turn at once along one line; the shares sum to the whole change. Below, each hook point by itself with the others’ dials in place:
            what two of them do only together is counted there twice, here once.</figcaption>
            </figure>
            {Books(any, joint.Ledger)}
            </div>
            """;
    }

    private static string Lorenz(DialAnalysis a) =>
        $"The strongest feature carries {Number.Percent(a.Lorenz.Top[1])}, the top 10 {Number.Percent(a.Lorenz.Top[10])}, the top 100 {Number.Percent(a.Lorenz.Top[100])}. "
        + "Movement is the mean change of an activation times the length of its decoder row, not what it does for the task.";

    private static string KeepDrop(DialAnalysis a) => a.Curves.NineTenthsAt is { } k
        ? $"{Number.Count(k)} features alone bring nine tenths of the change. Where random ones do as much, the ranking says nothing."
        : "Where random ones do as much as the strongest, the ranking says nothing.";

    private static string Doses(DialAnalysis a)
    {
        double? least = a.Doses.Min(d => d.Value.EffectiveSamples);
        return "0 is the model without dials, 1 the dials as they are; beyond, all of them go on in a straight line."
            + (least is { } samples ? $" Estimated by weights: at worst {Number.Text(samples)} effective of {Number.Count(a.Examples)} continuations." : "");
    }

    private static string Books(DialAnalysis a, Ledger ledger)
    {
        var entries = ledger.Entries.Take(Rows).ToList();
        if (entries.Count == 0) return "";
        var parts = a.Parts.Where(p => p.Weight != 0).ToList();
        bool split = parts.Count > 1;
        double rest = ledger.Rest + ledger.Entries.Skip(Rows).Sum(e => e.Credit), most = Math.Max(entries.Max(e => Math.Abs(e.Credit)), 1e-300);
        string Share(double credit) => ledger.Change == 0 ? "" : Number.Percent(credit / ledger.Change);
        BarRow Row(string name, double credit, IEnumerable<string> split) => new(
            name, Math.Min(1, Math.Abs(credit) / most), credit > 0 == a.HigherIsBetter ? Ink.Accent : Ink.Warm, [Signed(credit), Share(credit), .. split]);
        var rows = entries.Select(e => Row(e.Hook is { } hook ? $"{hook}, {e.Latent}" : $"latent {e.Latent}", e.Credit, split ? parts.Select(p => Signed(p.Weight * e.Parts[p.Name])) : []))
            .Append(Row("all others", rest, split ? parts.Select(_ => "") : []));
        string fit = Number.Percent(Math.Abs(ledger.Residual));
        return $"""
            <figure>
            <h3>The ledger <small>{Html.Escape(a.Objective)}</small></h3>
            {Bars.Table(["whose", "credit", "change", "share", .. split ? parts.Select(p => p.Name) : []], rows)}
            <figcaption>Each feature’s part of the change from {Number.Loss(a.Tuned.Total - ledger.Change)} to {Number.Loss(a.Tuned.Total)}, along the straight line from rest to the
            dials; {Number.Count(ledger.Steps)} gradients, sum within {fit}. Orange: against the aim.</figcaption>
            </figure>
            """;
    }

    private static string Price(DialAnalysis a)
    {
        var p = a.Price;
        (string Name, double? Before, double? After, string Unit)[] rows =
        [
            ("perplexity of held-out text", p.PerplexityBefore, p.PerplexityAfter, ""), ("KL on held-out text", null, p.TextKl, "nats per token"),
            ("KL to the model without dials", null, p.Kl, p.KlUnit), ("distinct pairs of tokens", p.DistinctPairsBefore, p.DistinctPairsAfter, ""),
            ("length of a continuation", p.LengthBefore, p.LengthAfter, "tokens"),
        ];
        var lines = from row in rows
                    where row.After is not null
                    select $"<tr><th scope=\"row\">{row.Name}{(row.Unit.Length > 0 ? $" <small>{Html.Escape(row.Unit)}</small>" : "")}</th><td>{(row.Before is { } b ? Number.Text(b) : "")}</td><td>{Number.Text(row.After!.Value)}</td></tr>";
        return $"""
            <figure>
            <h3>The price</h3>
            <table>
            <thead><tr><th scope="col">what nobody asked to change</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
            <tbody>{string.Concat(lines)}</tbody>
            </table>
            </figure>
            """;
    }

    private static string Methods(DialAnalysis a)
    {
        if (a.Pareto is not { Count: > 0 } points) return "";
        static string Cell(double? value) => $"<td>{(value is { } v ? Number.Text(v) : "")}</td>";
        var rows = points.Select(p => $"<tr><th scope=\"row\">{Html.Escape(p.Name)}</th><td>{Signed(p.Gain)}</td>{Cell(p.Cost)}{Cell(p.Kl)}{Cell(p.DistinctPairs)}<td>{(p.TrainableParameters is { } n ? Number.Count(n) : "")}</td></tr>");
        return $"""
            <figure>
            <h3>Methods in numbers <small>the first is this run</small></h3>
            <table>
            <thead><tr><th scope="col">method</th><th scope="col">gain</th><th scope="col">cost</th><th scope="col">KL</th><th scope="col">distinct pairs</th><th scope="col">numbers learned</th></tr></thead>
            <tbody>{string.Concat(rows)}</tbody>
            </table>
            </figure>
            """;
    }

    private static string Similarity(DialAnalysis a)
    {
        string words = string.Join("", a.Words.OrderByDescending(w => w.Value).Select(w => $"<tr><th scope=\"row\">{Word(w.Key)}</th><td>{Number.Count(w.Value)}</td></tr>"));
        string directions = a.Directions is not { } d ? ""
            : $" Against an autoencoder retrained on the tuned model: mean largest cosine {Number.Text(d.MeanMaxCosine)}; {Number.Count(d.Unmatched)} directions have no partner of {Number.Text(d.Threshold)} or more.";
        return $"""
            <figure>
            <h3>What became of them <small>of {Number.Count(a.Changed)} latents with changed dials</small></h3>
            <table>
            <thead><tr><th scope="col">in words</th><th scope="col">latents</th></tr></thead>
            <tbody>{words}</tbody>
            </table>
            <figcaption>Are they the same features? Correlation of activations before and after: median {Number.Text(a.PearsonQuantiles[2])}, a twentieth lie below
            {Number.Text(a.PearsonQuantiles[0])}. A scale alone cannot lower it.{directions}</figcaption>
            </figure>
            """;
    }

    private static string Features(DialAnalysis a)
    {
        bool nulls = a.Null is not null;
        var rows = a.Features.Take(Rows).Select(f => $"<tr><th scope=\"row\">{f.Latent}{(f.Significant ? " <b title=\"counts as moved\">●</b>" : "")}</th>"
            + $"<td>{string.Join(", ", f.Words.Select(Word))}</td><td>{Number.Percent(f.EffectShare)}</td><td>{Number.Loss(f.Scale)}</td><td>{Number.Signed(f.Shift)}</td>"
            + $"<td>{Number.Percent(f.DensityBefore)}</td><td>{Number.Percent(f.DensityAfter)}</td><td>{Number.Text(f.Pearson)}</td><td>{Signed(f.T)}</td><td>{Number.Text(f.Q)}</td>"
            + (nulls ? $"<td>{(f.BeyondNull == true ? "beyond" : "within")}</td>" : "") + "</tr>");
        return $"""
            <div class="wide">
            <h3>The features that moved the output most <small>● counts as moved: examples agree{(nulls ? ", and it is beyond the null runs" : "")}</small></h3>
            <table>
            <thead><tr><th scope="col">latent</th><th scope="col">in words</th><th scope="col">movement</th><th scope="col">c</th><th scope="col">d</th><th scope="col">fires before</th>
            <th scope="col">after</th><th scope="col">correlation</th><th scope="col">t</th><th scope="col">q</th>{(nulls ? "<th scope=\"col\">null runs</th>" : "")}</tr></thead>
            <tbody>{string.Concat(rows)}</tbody>
            </table>
            </div>
            """;
    }

    private static string Singles(DialAnalysis a)
    {
        if (a.LeaveOneOut.Features.Count == 0) return "";
        string Cells(ObjectiveValue v) => $"<td>{Signed(v.Total)}</td>" + string.Concat(a.Parts.Skip(a.Parts.Count(p => p.Weight != 0) == 1 ? 1 : 0).Select(p => $"<td>{Signed(v.Parts[p.Name])}</td>"));
        var columns = a.Parts.Skip(a.Parts.Count(p => p.Weight != 0) == 1 ? 1 : 0).Select(p => p.Name).Prepend(a.Objective).Select(n => $"<th scope=\"col\">{Html.Escape(n)}</th>").ToList();
        var rows = a.LeaveOneOut.Features.Select(f => $"<tr><th scope=\"row\">{f.Latent}</th>{Cells(f.LeftOut)}{Cells(f.KeptIn)}</tr>");
        return $"""
            <details class="wide"><summary>One feature at a time, measured</summary>
            <table>
            <thead><tr><th></th><th scope="colgroup" colspan="{columns.Count}">left out of all</th><th scope="colgroup" colspan="{columns.Count}">kept in alone</th></tr>
            <tr><th scope="col">latent</th>{string.Concat(columns)}{string.Concat(columns)}</tr></thead>
            <tbody>{string.Concat(rows)}<tr><th scope="row">together</th>{string.Concat(columns.Select(_ => "<td></td>"))}{Cells(a.LeaveOneOut.Together)}</tr></tbody>
            </table>
            </details>
            """;
    }

    private static string Examples(DialAnalysis a)
    {
        if (a.Influences.Count == 0) return "";
        string Side(IReadOnlyList<ExamplePull> pulls) => string.Join(", ", pulls.Select(p => $"{p.Example} ({Number.Percent(p.Share)})"));
        var rows = a.Influences.Select(i => $"<tr><th scope=\"row\">{i.Latent}</th><td>{Number.Count(i.Pulling)}</td><td>{Side(i.For)}</td><td>{Side(i.Against)}</td></tr>");
        return $"""
            <details class="wide"><summary>Which examples pushed them</summary>
            <table>
            <thead><tr><th scope="col">latent</th><th scope="col">examples that pull</th><th scope="col">most for: number (share of all pull)</th><th scope="col">most against</th></tr></thead>
            <tbody>{string.Concat(rows)}</tbody>
            </table>
            </details>
            """;
    }

    private static string Signed(double value) => value == 0 || !double.IsFinite(value) ? Number.Text(value) : (value > 0 ? "+" : "\u2212") + Number.Text(Math.Abs(value));

    private static string Word(DialWord word) => word switch
    {
        DialWord.AlwaysOn => "always on",
        DialWord.Silent => "silent on these texts",
        DialWord.Barely => "hardly changed",
        _ => word.ToString().ToLowerInvariant(),
    };
}
