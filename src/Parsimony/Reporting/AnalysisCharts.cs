using System.Globalization;
using Parsimony.FineTuning.Analysis;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Parsimony.Reporting;

/// <summary>The pictures of an analysis, each from its numbers alone.</summary>
internal static class AnalysisCharts
{
    /// <summary>What the strongest features carry of the movement.</summary>
    public static Chart Lorenz(DialAnalysis a)
    {
        // Beyond the last feature that carries anything there is nothing to see.
        int last = Math.Min(a.Lorenz.Features.Length - 1, Array.FindIndex(a.Lorenz.Share, share => share >= 0.9999) is var i and > 0 ? i : a.Lorenz.Features.Length - 1);
        double[] x = [.. a.Lorenz.Features.Take(last + 1).Select(k => (double)k)], y = [.. a.Lorenz.Share.Take(last + 1)];
        var chart = Charts.Lines("lorenz", "Who carries the movement", "share of the movement of the output", "features, strongest first", VerticalAxis.ZeroToOne,
            (new Curve(x, y, 1), "movement", Ink.Accent));
        chart.Alt = $"Lorenz curve: the strongest feature carries {Number.Percent(a.Lorenz.Top[1])} of the movement, the top 10 {Number.Percent(a.Lorenz.Top[10])}, "
            + $"half lies on {a.Lorenz.HalfAt} and nine tenths on {a.Lorenz.NineTenthsAt} of {Number.Count(a.DSae)}; Gini {Number.Text(a.Lorenz.Gini)}.";
        return chart;
    }

    /// <summary>The objective with the k strongest features alone and without them, and the same for random ones.</summary>
    public static Chart KeepDrop(DialAnalysis a)
    {
        var points = a.Curves.Points;
        var chart = new Chart("keep_drop", "With few features, and without them", Unit(a), "features kept or dropped");
        double[] x = [.. Enumerable.Range(0, points.Count).Select(i => (double)i)];
        bool random = points.Any(p => p.KeepRandom.Count > 0);
        if (random)
        {
            Band(p => p.Keep.Total, p => p.KeepRandom);
            Band(p => p.Drop.Total, p => p.DropRandom);
        }
        Side(p => p.Keep.Total, p => p.KeepRandom, Ink.Accent, "the strongest alone", "as many random ones alone");
        Side(p => p.Drop.Total, p => p.DropRandom, Ink.Warm, "all but the strongest", "all but as many random ones");
        chart.Plot.Axes.Bottom.TickGenerator = Places([.. points.Select(p => p.Features)]);
        chart.Plot.Axes.SetLimitsX(0, Math.Max(1, points.Count - 1));
        chart.Alt = $"The {a.Objective} is {Number.Loss(a.Reference.Total)} without and {Number.Loss(a.Tuned.Total)} with all {a.Changed} features; kept alone: "
            + string.Join(", ", points.Skip(1).Select(p => $"{p.Features} {Number.Loss(p.Keep.Total)}")) + "; dropped: "
            + string.Join(", ", points.Skip(1).Select(p => $"{p.Features} {Number.Loss(p.Drop.Total)}")) + ".";
        return chart;

        // Where none were drawn, random ones are the strongest: none or all of them.
        double[] Drawn(Func<KeepDropPoint, double> value, Func<KeepDropPoint, IReadOnlyList<double>> draws, Func<IReadOnlyList<double>, double> of) =>
            [.. points.Select(p => draws(p) is { Count: > 0 } drawn ? of(drawn) : value(p))];

        void Band(Func<KeepDropPoint, double> value, Func<KeepDropPoint, IReadOnlyList<double>> draws)
        {
            var band = chart.Plot.Add.FillY(x, Drawn(value, draws, d => d.Min()), Drawn(value, draws, d => d.Max()));
            (band.FillColor, band.LineWidth, band.MarkerSize) = (Ink.Hairline.Color, 0, 0);
        }

        void Side(Func<KeepDropPoint, double> value, Func<KeepDropPoint, IReadOnlyList<double>> draws, Ink ink, string text, string randomText)
        {
            if (random)
            {
                var mean = chart.Plot.Add.ScatterLine(x, Drawn(value, draws, d => d.Average()), ink.Color);
                (mean.LineWidth, mean.LinePattern) = (1.3f, LinePattern.Dashed);
            }
            chart.Plot.Add.ScatterLine(x, [.. points.Select(value)], ink.Color).LineWidth = 2;
            chart.Legend.Add(new LegendEntry(text, ink));
            if (random) chart.Legend.Add(new LegendEntry(randomText, ink, Dashed: true));
        }
    }

    /// <summary>The objective by the dose of the whole change.</summary>
    public static Chart Doses(DialAnalysis a)
    {
        var curve = new Curve([.. a.Doses.Select(d => d.Alpha)], [.. a.Doses.Select(d => d.Value.Total)], 1);
        var chart = Charts.Lines("doses", "Turned down, and up", Unit(a), "dose of the change", VerticalAxis.Fitted, (curve, a.Objective, Ink.Accent));
        chart.Plot.Add.VerticalLine(1, 1.5f, Ink.Muted.Color, LinePattern.Dashed);
        chart.Legend.Add(new LegendEntry("as it was learnt", Ink.Muted, Dashed: true));
        chart.Alt = $"The {a.Objective} by dose: " + string.Join(", ", a.Doses.Select(d => $"{Number.Text(d.Alpha)} {Number.Loss(d.Value.Total)}")) + ".";
        return chart;
    }

    /// <summary>Movement by rank, of the run and of null runs.</summary>
    public static Chart NullRuns(NullBand band)
    {
        var chart = new Chart("null_runs", "Against null runs", "movement of the output, logarithmic axis", "features by movement");
        int count = Enumerable.Range(0, band.Ranks.Length).TakeWhile(i => band.Movement[i] > 0 || band.High[i] > 0).Count();
        double least = band.Movement.Concat(band.Low).Concat(band.High).Take(3 * band.Ranks.Length).Where(m => m > 0).DefaultIfEmpty(1).Min();
        double most = Math.Max(least * 1.01, band.Movement.Concat(band.High).Max());
        double[] x = [.. Enumerable.Range(0, count).Select(i => (double)i)];
        double[] Logs(double[] values) => [.. values.Take(count).Select(m => Math.Log10(Math.Max(m, least)))];
        if (count > 0)
        {
            var fill = chart.Plot.Add.FillY(x, Logs(band.Low), Logs(band.High));
            (fill.FillColor, fill.LineWidth, fill.MarkerSize) = (Ink.Hairline.Color, 0, 0);
            var high = chart.Plot.Add.ScatterLine(x, Logs(band.High), Ink.Soft.Color);
            (high.LineWidth, high.LinePattern) = (1.5f, LinePattern.Dashed);
            chart.Plot.Add.ScatterLine(x, Logs(band.Movement), Ink.Accent.Color).LineWidth = 2;
        }
        chart.Plot.Add.HorizontalLine(Math.Log10(Math.Max(band.Threshold, least)), 1.5f, Ink.Warm.Color, LinePattern.Dashed);
        chart.Legend.Add(new LegendEntry("this run", Ink.Accent));
        chart.Legend.Add(new LegendEntry(band.Runs == 1 ? "null run" : $"largest of {band.Runs} null runs", Ink.Soft, Dashed: true));
        chart.Legend.Add(new LegendEntry($"{Number.Percent(band.Quantile)} of the null runs’ latents lie below", Ink.Warm, Dashed: true));
        chart.Plot.Axes.Left.TickGenerator = Charts.LogTicks(least, most);
        chart.Plot.Axes.Bottom.TickGenerator = Places([.. band.Ranks.Take(count)]);
        chart.Plot.Axes.SetLimitsX(0, Math.Max(1, count - 1));
        chart.Alt = $"Movement of the strongest feature {Number.Text(band.Movement[0])}, of null runs {Number.Text(band.Low[0])} to {Number.Text(band.High[0])}. {band.Sentence}";
        return chart;
    }

    /// <summary>Methods by what they cost and what they gained.</summary>
    public static Chart Pareto(IReadOnlyList<ParetoPoint> points, DialAnalysis a)
    {
        var chart = new Chart("pareto", "Among other methods", $"gain: {a.ParetoGain ?? $"{(a.HigherIsBetter ? "rise" : "fall")} of {a.Parts[0].Name}"}",
            a.Price.PerplexityAfter is null ? "cost: KL to the model without dials" : "cost: perplexity of a held-out text");
        foreach (var p in points)
        {
            var ink = p.Name == points[0].Name ? Ink.Accent : p.Dominated ? Ink.Soft : Ink.Text;
            chart.Plot.Add.Marker(p.Cost, p.Gain, MarkerShape.FilledCircle, 9, ink.Color);
            var label = chart.Plot.Add.Text(p.Name, p.Cost, p.Gain);
            (label.OffsetX, label.OffsetY, label.LabelFontSize, label.LabelFontName, label.LabelFontColor) = (8, -6, 12, ChartFont.Name, ink.Color);
        }
        chart.Plot.Axes.Margins(0.25, 0.2);
        chart.Legend.Add(new LegendEntry("this run", Ink.Accent));
        chart.Legend.Add(new LegendEntry("not dominated", Ink.Text));
        chart.Legend.Add(new LegendEntry("another costs no more and gains no less", Ink.Soft));
        chart.Alt = "Cost and gain: " + string.Join("; ", points.Select(p => $"{p.Name} {Number.Text(p.Cost)}, {Number.Text(p.Gain)}{(p.Dominated ? ", dominated" : "")}")) + ".";
        return chart;
    }

    private static string Unit(DialAnalysis a) => a.HigherIsBetter ? $"{a.Objective}, more is better" : $"{a.Objective}, {a.Parts[0].Unit}";

    // Evenly spaced places with their numbers written below; every other one where there is no room.
    private static NumericManual Places(int[] numbers)
    {
        var ticks = new NumericManual();
        int every = (numbers.Length + 8) / 9;
        for (int i = 0; i < numbers.Length; i++)
            if (i % every == 0 || i == numbers.Length - 1) ticks.AddMajor(i, numbers[i] < 10_000 ? numbers[i].ToString(CultureInfo.InvariantCulture) : Number.Short(numbers[i]));
        return ticks;
    }
}
