using Parsimony.Models;

namespace Parsimony.Reporting;

/// <summary>The pictures that a report has the numbers for; what is missing is null.</summary>
internal sealed class ReportCharts
{
    private const string Step = "step";

    /// <summary>Draws them.</summary>
    public ReportCharts(RunReport report, IReadOnlyDictionary<string, Curve> curves)
    {
        if (report.LayerSweep is { Count: > 0 } sweep)
            LayerSweep = Charts.LayerSweep(sweep, report.Hook is { } hook ? HookPoint.Parse(hook).Layer : null, report.CeClean, report.CeZeroAblated);
        Loss = Losses(curves);
        L0 = Single(curves, "l0", "L0", "active latents per token", VerticalAxis.FromZero);
        ExplainedVariance = Single(curves, "explained_variance", "Explained variance", "1 is perfect", VerticalAxis.ZeroToOne);
        DeadFraction = Single(curves, "dead_fraction", "Dead latents", "fraction of all latents", VerticalAxis.FromZero);
        Finetune = Single(curves, "finetune_loss", "Loss while the dials learn", "nats per token", VerticalAxis.Fitted);
        if (report.Density is { } density) Density = Charts.Density(density);
        if (report.Dials is { } dials)
        {
            Scale = Charts.Sorted("dials_c", "Scale c of every latent", dials.Scale, 1, "1 changes nothing");
            Shift = Charts.Sorted("dials_d", "Shift d of every latent", dials.Shift, 0, "0 changes nothing");
        }
        Reward = Single(curves, "rlhf_reward", "Reward", "mean of a step’s responses", VerticalAxis.Fitted);
        Kl = Single(curves, "rlhf_kl", "KL to the model without dials", "nats per response", VerticalAxis.FromZero);
        Analyses = report.Analysis is not { } first ? [] : [.. (report.FurtherAnalyses ?? []).Prepend(first).Select((a, i) => new AnalysisPictures(a, i == 0 ? "" : $"_{i + 1}"))];
    }

    /// <summary>Bars of loss by layer.</summary>
    public Chart? LayerSweep { get; }

    /// <summary>Training loss and its parts.</summary>
    public Chart? Loss { get; }

    /// <summary>L0 over training.</summary>
    public Chart? L0 { get; }

    /// <summary>Explained variance over training.</summary>
    public Chart? ExplainedVariance { get; }

    /// <summary>Dead latents over training.</summary>
    public Chart? DeadFraction { get; }

    /// <summary>Training loss of the dials.</summary>
    public Chart? Finetune { get; }

    /// <summary>Histogram of densities.</summary>
    public Chart? Density { get; }

    /// <summary>Sorted c.</summary>
    public Chart? Scale { get; }

    /// <summary>Sorted d.</summary>
    public Chart? Shift { get; }

    /// <summary>Reward over the steps of learning from rewards.</summary>
    public Chart? Reward { get; }

    /// <summary>KL over the same.</summary>
    public Chart? Kl { get; }

    /// <summary>Those of each analysed hook point.</summary>
    public IReadOnlyList<AnalysisPictures> Analyses { get; }

    /// <summary>Those that are there.</summary>
    public IEnumerable<Chart> All =>
        new[] { LayerSweep, Loss, L0, ExplainedVariance, DeadFraction, Density, Finetune, Scale, Shift, Reward, Kl }.Concat(Analyses.SelectMany(a => a.All)).OfType<Chart>();

    /// <summary>A figure for the page: heading, key, picture, and one line on how to read it. Empty for a missing picture.</summary>
    public static string Figure(Chart? chart, string howToRead)
    {
        if (chart is null) return "";
        string key = string.Concat(chart.Legend.Select(entry => "<li>"
            + $"<span class=\"{(entry.Dashed ? "dash" : "dot")}\" style=\"--k:var({entry.Ink.Variable})\"></span>{Html.Escape(entry.Text)}</li>"));
        return $"""
            <figure>
            <h3>{Html.Escape(chart.Title)} <small>{Html.Escape(chart.Unit)}</small></h3>
            {(key.Length > 0 ? $"<ul class=\"key\">{key}</ul>" : "")}
            {chart.ToSvg()}
            <figcaption>{howToRead}</figcaption>
            </figure>
            """;
    }

    private static Chart? Losses(IReadOnlyDictionary<string, Curve> curves)
    {
        if (!curves.TryGetValue("loss", out var loss)) return null;
        var lines = new List<(Curve, string, Ink)> { (loss, "total", Ink.Text) };
        if (curves.TryGetValue("mse", out var mse) && mse.Steps.SequenceEqual(loss.Steps))
        {
            lines.Add((mse, "squared error", Ink.Accent));
            // As it enters the loss, weighted; the logged l1 is not.
            lines.Add((loss with { Values = [.. loss.Values.Zip(mse.Values, (total, error) => total - error)] }, "sparsity penalty", Ink.Warm));
        }
        return Charts.Lines("loss", "Training loss", "per token", Step, VerticalAxis.LogarithmicIfWide, [.. lines]);
    }

    private static Chart? Single(IReadOnlyDictionary<string, Curve> curves, string key, string title, string unit, VerticalAxis axis) =>
        curves.TryGetValue(key, out var curve) ? Charts.Lines(key, title, unit, Step, axis, (curve, title, Ink.Accent)) : null;
}
