using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Parsimony.Reporting;

/// <summary>The pictures of a report, each from its numbers alone.</summary>
internal static class Charts
{
    /// <summary>One or more curves over the same horizontal axis.</summary>
    /// <param name="name">A word for the file.</param>
    /// <param name="title">What is shown.</param>
    /// <param name="unit">What the vertical axis counts.</param>
    /// <param name="xLabel">What the horizontal axis counts.</param>
    /// <param name="scale">How the vertical axis is chosen.</param>
    /// <param name="lines">The curves with their names.</param>
    public static Chart Lines(
        string name, string title, string unit, string xLabel, VerticalAxis scale, params (Curve Curve, string Text, Ink Ink)[] lines)
    {
        double min = lines.Min(line => line.Curve.Values.Min()), max = lines.Max(line => line.Curve.Values.Max());
        bool log = scale == VerticalAxis.LogarithmicIfWide && min > 0 && max > 30 * min;
        var chart = new Chart(name, title, log ? $"{unit}, logarithmic axis" : unit, xLabel);
        foreach (var (curve, text, ink) in lines)
        {
            double[] y = log ? [.. curve.Values.Select(Math.Log10)] : curve.Values;
            chart.Plot.Add.ScatterLine(curve.Steps, y, ink.Color).LineWidth = 2;
            if (lines.Length > 1) chart.Legend.Add(new LegendEntry(text, ink));
        }
        double right = lines.Max(line => line.Curve.Steps[^1]);
        chart.Plot.Axes.Bottom.TickGenerator = new NumericAutomatic { LabelFormatter = Number.Short, TargetTickCount = 6 };
        chart.Plot.Axes.SetLimitsX(0, right);
        if (log) chart.Plot.Axes.Left.TickGenerator = LogTicks(min, max);
        else if (scale == VerticalAxis.ZeroToOne) chart.Plot.Axes.SetLimitsY(min < 0.5 ? 0 : Math.Floor(min * 10) / 10, 1);
        else if (scale != VerticalAxis.Fitted) chart.Plot.Axes.SetLimitsY(Math.Min(0, min), max <= 0 ? 1 : max * 1.05);
        var words = lines.Select(line => $"{line.Text} from {Number.Text(line.Curve.Values[0])} to {Number.Text(line.Curve.Values[^1])}");
        chart.Alt = $"{title} up to {xLabel} {Number.Short(right)}: {string.Join("; ", words)}.";
        return chart;
    }

    /// <summary>Loss with the autoencoder put in at every layer; lines of reference for the plain model and the layer set to zero.</summary>
    public static Chart LayerSweep(
        IReadOnlyList<LayerSweepEntry> sweep, int? trainedLayer, double? ceClean, double? ceZeroAblated)
    {
        var chart = new Chart("layer_sweep", "Loss with the autoencoder in each layer", "nats per token", "layer");
        chart.Legend.Add(new LegendEntry("the layer it was trained on", Ink.Accent));
        chart.Legend.Add(new LegendEntry("other layers", Ink.Soft));
        var ticks = new NumericManual();
        int every = (sweep.Count + 15) / 16;
        for (int i = 0; i < sweep.Count; i++)
        {
            var (layer, loss) = (sweep[i].Layer, sweep[i].CeSpliced);
            var ink = layer == trainedLayer ? Ink.Accent : Ink.Soft;
            chart.Plot.Add.Bar(new Bar { Position = layer, Value = loss, Size = 0.66, FillColor = ink.Color, LineWidth = 0 });
            if (i % every == 0) ticks.AddMajor(layer, layer.ToString(CultureInfo.InvariantCulture));
            if (sweep.Count > 10) continue;
            // At the foot of the bar, where no line of reference can cross it.
            var label = chart.Plot.Add.Text(loss.ToString("0.00", CultureInfo.InvariantCulture), layer, 0);
            (label.Alignment, label.OffsetY, label.LabelFontSize, label.LabelFontName) = (Alignment.LowerCenter, -5, 12, ChartFont.Name);
            label.LabelFontColor = (layer == trainedLayer ? Ink.Paper : Ink.Text).Color;
        }
        Reference(chart, ceClean, Ink.Text, "plain model", dashed: false);
        Reference(chart, ceZeroAblated, Ink.Warm, "trained layer set to zero", dashed: true);
        double top = sweep.Select(entry => entry.CeSpliced).Append(ceClean ?? 0).Append(ceZeroAblated ?? 0).Max();
        chart.Plot.Axes.SetLimits(sweep.Min(e => e.Layer) - 0.5, sweep.Max(e => e.Layer) + 0.5, 0, top * 1.06);
        chart.Plot.Axes.Bottom.TickGenerator = ticks;
        chart.Alt = "Bars of loss by layer: " + string.Join(", ", sweep.Select(e => $"layer {e.Layer} {Number.Loss(e.CeSpliced)}"))
            + (ceClean is { } clean ? $"; plain model {Number.Loss(clean)}" : "")
            + (ceZeroAblated is { } zero ? $"; trained layer set to zero {Number.Loss(zero)}" : "") + ".";
        return chart;
    }

    /// <summary>How many latents fire how often, by the decimal logarithm of the fraction of tokens.</summary>
    public static Chart Density(DensityHistogram histogram)
    {
        var chart = new Chart("density", "How often each latent fires", "latents", "fraction of tokens on which a latent is active");
        for (int i = 0; i < histogram.Counts.Count; i++) chart.Plot.Add.Bar(new Bar
        {
            Position = (histogram.Log10Edges[i] + histogram.Log10Edges[i + 1]) / 2,
            Value = histogram.Counts[i],
            Size = (histogram.Log10Edges[i + 1] - histogram.Log10Edges[i]) * 0.9,
            FillColor = Ink.Accent.Color,
            LineWidth = 0,
        });
        var ticks = new NumericManual();
        for (int power = (int)histogram.Log10Edges[0]; power <= 0; power++) ticks.AddMajor(power, Number.PowerOfTen(power));
        chart.Plot.Axes.Bottom.TickGenerator = ticks;
        chart.Plot.Axes.SetLimits(histogram.Log10Edges[0], histogram.Log10Edges[^1], 0, 1.08 * Math.Max(1, histogram.Counts.Max()));
        chart.Alt = $"Histogram of {histogram.Counts.Sum()} living latents by the fraction of tokens on which they fire; "
            + $"{histogram.Dead} never fire.";
        return chart;
    }

    /// <summary>One dial of every latent, from the smallest to the largest, with a line at the value that changes nothing.</summary>
    public static Chart Sorted(string name, string title, IReadOnlyList<double> sorted, double neutral, string neutralText)
    {
        var chart = new Chart(name, title, "value", "latents, sorted (percent)");
        double[] x = [.. Enumerable.Range(0, sorted.Count).Select(i => 100.0 * i / Math.Max(1, sorted.Count - 1))];
        Reference(chart, neutral, Ink.Muted, neutralText, dashed: true);
        var line = chart.Plot.Add.ScatterLine(x, [.. sorted], Ink.Accent.Color);
        line.LineWidth = 2;
        chart.Plot.Axes.SetLimitsX(0, 100);
        chart.Alt = $"{title}, sorted: from {Number.Text(sorted[0])} over a median of {Number.Text(sorted[sorted.Count / 2])} "
            + $"to {Number.Text(sorted[^1])}.";
        return chart;
    }

    private static void Reference(Chart chart, double? value, Ink ink, string text, bool dashed)
    {
        if (value is not { } y) return;
        chart.Plot.Add.HorizontalLine(y, 1.5f, ink.Color, dashed ? LinePattern.Dashed : LinePattern.Solid);
        chart.Legend.Add(new LegendEntry(text, ink, dashed));
    }

    /// <summary>Marks for a vertical axis of decimal logarithms.</summary>
    public static NumericManual LogTicks(double min, double max)
    {
        var ticks = new NumericManual();
        double[] steps = max / min > 1000 ? [1] : [1, 2, 5];
        for (int exponent = (int)Math.Floor(Math.Log10(min)); exponent <= Math.Log10(max); exponent++)
            foreach (double step in steps)
                if (step * Math.Pow(10, exponent) is var value && value >= min * 0.8 && value <= max * 1.2)
                    ticks.AddMajor(Math.Log10(value), Number.Text(value));
        return ticks;
    }
}

/// <summary>How the vertical axis of a line chart is chosen.</summary>
internal enum VerticalAxis
{
    /// <summary>As far as the values go.</summary>
    Fitted,
    /// <summary>From zero.</summary>
    FromZero,
    /// <summary>Up to one, and from zero where the values begin in the lower half.</summary>
    ZeroToOne,
    /// <summary>Logarithmic where the values are positive and span more than a factor of thirty, else from zero.</summary>
    LogarithmicIfWide,
}
