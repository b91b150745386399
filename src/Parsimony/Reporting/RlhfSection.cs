namespace Parsimony.Reporting;

/// <summary>What learning the dials from rewards did.</summary>
internal static class RlhfSection
{
    /// <summary>The section; null when nothing was learnt from rewards.</summary>
    public static Section? Render(RunReport r, ReportCharts charts)
    {
        if (r.Rlhf is not { } learnt) return null;
        return new Section("rlhf", "Learnt from rewards", $"""
            <p class="note">{How(learnt)}{(learnt.Task is { } task ? $" The task: {Html.Escape(task.TrimEnd('.'))}." : "")}</p>
            <div class="pair">
            {Hits(learnt)}
            {Price(learnt)}
            {ReportCharts.Figure(charts.Reward, "Before the KL penalty, on prompts that are learnt from.")}
            {ReportCharts.Figure(charts.Kl, "How far what it says has gone from what it would have said.")}
            </div>
            """);
    }

    private static string How(RlhfSummary r) => r.Steps == 0 && r.Method is null ? $"Nothing was learned: {Html.Escape(r.Algorithm.Replace('_', ' '))}, for comparison."
        : $"{Html.Escape(r.Algorithm.ToUpperInvariant())} on what the model itself says, {Number.Count(r.Steps)} steps; "
            + (r.LatentsChanged is { } changed ? $"of {Number.Count(r.TrainableParameters)} numbers, two per latent, the dials of {Number.Count(changed)} latents moved."
                : $"{Number.Count(r.TrainableParameters)} numbers of {Html.Escape(r.Method ?? "an adapter")}.");

    private static string Hits(RlhfSummary r)
    {
        (string Name, double? Hits, string Key, Ink Ink)[] all =
        [
            ("Rewarded words, before", r.HitsRewardedBefore, "hits_rewarded_before", Ink.Soft), ("after", r.HitsRewardedAfter, "hits_rewarded_after", Ink.Accent),
            ("after, without a signal", r.NullHitsRewardedAfter, "null_hits_rewarded_after", Ink.Warm),
            ("Held-out words, before", r.HitsHeldoutBefore, "hits_heldout_before", Ink.Soft), ("after", r.HitsHeldoutAfter, "hits_heldout_after", Ink.Accent),
            ("after, without a signal", r.NullHitsHeldoutAfter, "null_hits_heldout_after", Ink.Warm),
        ];
        if (all.All(row => row.Hits is null)) return "";
        double most = Math.Max(1e-9, all.Max(row => row.Hits ?? 0));
        string Interval(string key) => r.Intervals.TryGetValue(key, out double[]? ends) && ends is [var low, var high] ? $"{Number.Text(low)} to {Number.Text(high)}" : "";
        var rows = from row in all
                   where row.Hits is not null
                   let hits = row.Hits.GetValueOrDefault()
                   select new BarRow(row.Name, hits / most, row.Ink, Number.Text(hits), Interval(row.Key));
        string heldOut = r.HitsHeldoutAfter is null ? "" : " No reward has seen the held-out words: if they go as well, it is the idea that was learnt, not the list.";
        string nullRun = r.NullHitsRewardedAfter is null ? "" : " “Without a signal” is the same training on rewards that mean nothing.";
        return $"""
            <figure>
            <h3>Words of the list <small>per 1000 tokens</small></h3>
            {Bars.Table(["in continuations", "hits", "hits", "95 % interval"], rows)}
            <figcaption>Of {Number.Count(r.Continuations)} continuations of prompts that were not learnt from.{heldOut}{nullRun}</figcaption>
            </figure>
            """;
    }

    private static string Price(RlhfSummary r)
    {
        (string Name, double? Before, double After)[] rows =
        [
            .. r.PerplexityAfter is { } perplexity ? [("perplexity of held-out text", r.PerplexityBefore, perplexity)] : Array.Empty<(string, double?, double)>(),
            .. r.Kl is { } kl ? [("KL to the model at rest <small>nats per continuation</small>", null, kl)] : Array.Empty<(string, double?, double)>(),
            ("distinct pairs of tokens", r.DistinctPairsBefore, r.DistinctPairsAfter), ("length of a continuation <small>tokens</small>", r.LengthBefore, r.LengthAfter),
        ];
        var lines = rows.Select(row => $"<tr><th scope=\"row\">{row.Name}</th><td>{(row.Before is { } before ? Number.Text(before) : "")}</td><td>{Number.Text(row.After)}</td></tr>");
        return $"""
            <figure>
            <h3>What it cost</h3>
            <table>
            <thead><tr><th scope="col">what was not asked for</th><th scope="col">before</th><th scope="col">after</th></tr></thead>
            <tbody>{string.Concat(lines)}</tbody>
            </table>
            </figure>
            """;
    }
}
