using System.Text.RegularExpressions;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Parsimony.Reporting;

/// <summary>One line of a picture's key.</summary>
internal readonly record struct LegendEntry(string Text, Ink Ink, bool Dashed = false);

/// <summary>A picture and the words around it; the page shows the words, a picture file has them drawn in.</summary>
internal sealed partial class Chart
{
    /// <summary>Size in CSS pixels; the page scales it to its column.</summary>
    public const int Width = 460, Height = 236;

    /// <summary>An empty picture in the house manner: no box, horizontal grid lines only, the axis at the bottom.</summary>
    public Chart(string name, string title, string unit, string xLabel)
    {
        ChartFont.Register();
        (Name, Title, Unit) = (name, title, unit);
        Plot.Font.Set(ChartFont.Name);
        Plot.FigureBackground.Color = Plot.DataBackground.Color = Colors.Transparent;
        foreach (var side in (IAxis[])[Plot.Axes.Left, Plot.Axes.Right, Plot.Axes.Top]) side.FrameLineStyle.Width = 0;
        Plot.Axes.Bottom.FrameLineStyle.Color = Ink.Muted.Color;
        foreach (var axis in (IAxis[])[Plot.Axes.Left, Plot.Axes.Bottom])
        {
            axis.MinorTickStyle.Length = axis.MajorTickStyle.Length = 0;
            axis.TickLabelStyle.ForeColor = Ink.Muted.Color;
            axis.TickLabelStyle.FontSize = 12;
        }
        // Room for labels is the same in every picture, so that those beside each other have their axes in line.
        Plot.Layout.Fixed(new PixelPadding(46, 14, 48, 12));
        Plot.Axes.Bottom.TickLabelStyle.OffsetY = 4;
        Plot.Axes.Left.TickLabelStyle.OffsetX = -4;
        Plot.Axes.Left.TickGenerator = new NumericAutomatic { TargetTickCount = 5, LabelFormatter = Number.Short };
        Plot.Grid.XAxisStyle.IsVisible = false;
        Plot.Grid.MajorLineColor = Ink.Hairline.Color;
        Plot.XLabel(xLabel, 12);
        Plot.Axes.Bottom.Label.OffsetY = 4;
        Plot.Axes.Bottom.Label.Bold = false;
        Plot.Axes.Bottom.Label.ForeColor = Ink.Muted.Color;
        Plot.HideLegend();
    }

    /// <summary>A word for file names and for the identifiers inside the picture.</summary>
    public string Name { get; set; }

    /// <summary>What is shown.</summary>
    public string Title { get; }

    /// <summary>What the vertical axis counts.</summary>
    public string Unit { get; }

    /// <summary>What a reader who cannot see the picture should know.</summary>
    public string Alt { get; set; } = "";

    /// <summary>The key; empty when there is one thing to see.</summary>
    public List<LegendEntry> Legend { get; } = [];

    /// <summary>What is drawn.</summary>
    public Plot Plot { get; } = new();

    /// <summary>The picture as an <c>svg</c> element for the page: scalable, in the page's colours and typeface.</summary>
    public string ToSvg()
    {
        string svg = Plot.GetSvgXml(Width, Height);
        svg = svg[svg.IndexOf('>', svg.IndexOf("<svg", StringComparison.Ordinal))..];
        svg = LineBreaksInText().Replace(svg, "${open}${text}</text>");
        svg = FontFamily().Replace(svg, "");
        svg = CommaAtEnd().Replace(svg, "\"");
        svg = LineOfNoLength().Replace(svg, "");
        // The library counts clip paths over the whole process; here they start anew and are named for the picture.
        var clips = new Dictionary<string, string>();
        svg = ClipName().Replace(svg, match =>
            clips.TryGetValue(match.Value, out string? clip) ? clip : clips[match.Value] = $"{Name}_{clips.Count}");
        svg = Indentation().Replace(svg, "\n");
        foreach (var ink in Ink.All) svg = svg.Replace(ink.Hex, $"var({ink.Variable})", StringComparison.OrdinalIgnoreCase);
        return $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{Html.Escape(Alt)}\"{svg.TrimEnd()}";
    }

    /// <summary>
    /// Writes the picture to a PNG file on white paper, at twice the size, with title and key drawn in. The picture is no longer
    /// fit for the page afterwards.
    /// </summary>
    public void SavePng(string path)
    {
        Plot.FigureBackground.Color = Colors.White;
        Plot.Layout.Default();
        Plot.Legend.ManualItems.AddRange(Legend.Select(entry => new LegendItem
        {
            LabelText = entry.Text,
            LineColor = entry.Ink.Color,
            LineWidth = 3,
            LinePattern = entry.Dashed ? LinePattern.Dashed : LinePattern.Solid,
        }));
        if (Legend.Count > 0)
        {
            var panel = Plot.ShowLegend(Edge.Bottom);
            panel.Legend.OutlineWidth = 0;
            panel.Legend.ShadowColor = Colors.Transparent;
            panel.Legend.Orientation = Orientation.Horizontal;
        }
        Plot.Axes.Title.Label.Text = $"{Title}, {Unit}";
        Plot.Axes.Title.Label.FontSize = 14;
        Plot.Axes.Title.Label.Bold = false;
        Plot.Axes.Title.Label.ForeColor = Ink.Text.Color;
        Plot.ScaleFactor = 2;
        Plot.SavePng(path, 2 * Width, 2 * (Height + (Legend.Count > 0 ? 84 : 24)));
    }

    [GeneratedRegex(@"(?<open><text[^>]*>)\s+(?<text>[^<]*?)\s+</text>")]
    private static partial Regex LineBreaksInText();

    [GeneratedRegex(" font-family=\"[^\"]*\"")]
    private static partial Regex FontFamily();

    [GeneratedRegex(", \"")]
    private static partial Regex CommaAtEnd();

    [GeneratedRegex(@"<path[^>]* d=""M([\d.]+ [\d.]+)L\1""/>")]
    private static partial Regex LineOfNoLength();

    [GeneratedRegex(@"\bcl_[0-9a-f]+\b")]
    private static partial Regex ClipName();

    [GeneratedRegex(@"\n\s+")]
    private static partial Regex Indentation();
}
