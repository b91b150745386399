using System.Globalization;
using System.Text;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Parts;

/// <summary>A picture with two axes, drawn as SVG in the colours of the style sheet: lines, bars, points. Made anew for each view; small enough to be sent whole.</summary>
public sealed class Plot
{
    private const double Left = 52, Right = 12, Top = 8, Bottom = 34;
    private readonly StringBuilder drawing = new(), axes = new();
    private readonly (double Low, double High) x, y;
    private readonly bool logX, logY;
    private readonly double width, height;
    private bool hasLinks;

    /// <summary>An empty picture.</summary>
    /// <param name="x">Ends of the horizontal axis, the lower first; above 0 on a logarithmic one.</param>
    /// <param name="y">Ends of the vertical axis.</param>
    /// <param name="xName">What is along the horizontal axis.</param>
    /// <param name="yName">What is along the vertical axis.</param>
    /// <param name="logX">Whether the horizontal axis is logarithmic.</param>
    /// <param name="logY">Whether the vertical axis is logarithmic.</param>
    /// <param name="width">Units of the drawing.</param>
    /// <param name="height">The same.</param>
    public Plot((double Low, double High) x, (double Low, double High) y, string xName, string yName, bool logX = false, bool logY = false, double width = 640, double height = 240)
    {
        (this.logX, this.logY, this.width, this.height) = (logX, logY, width, height);
        (this.x, this.y) = (Widened(x, logX), Widened(y, logY));
        foreach (double tick in Ticks(this.x, logX, 7))
            axes.Append($"<text x=\"{N(X(tick))}\" y=\"{N(height - Bottom + 15)}\" text-anchor=\"middle\">{Tick(tick)}</text>");
        foreach (double tick in Ticks(this.y, logY, 5))
            axes.Append($"<line class=\"grid\" x1=\"{N(Left)}\" x2=\"{N(width - Right)}\" y1=\"{N(Y(tick))}\" y2=\"{N(Y(tick))}\"/>")
                .Append($"<text x=\"{N(Left - 6)}\" y=\"{N(Y(tick) + 4)}\" text-anchor=\"end\">{Tick(tick)}</text>");
        axes.Append($"<line class=\"axis\" x1=\"{N(Left)}\" x2=\"{N(width - Right)}\" y1=\"{N(height - Bottom)}\" y2=\"{N(height - Bottom)}\"/>")
            .Append($"<text x=\"{N((Left + width - Right) / 2)}\" y=\"{N(height - 4)}\" text-anchor=\"middle\">{Html.Escape(xName)}</text>")
            .Append($"<text x=\"11\" y=\"{N((Top + height - Bottom) / 2)}\" text-anchor=\"middle\" transform=\"rotate(-90 11 {N((Top + height - Bottom) / 2)})\">{Html.Escape(yName)}</text>");
    }

    /// <summary>The ends of some numbers, those that are not finite left out; (0, 1) of none.</summary>
    public static (double Low, double High) Ends(IEnumerable<double> values)
    {
        double low = double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (double v in values)
            if (double.IsFinite(v)) (low, high) = (Math.Min(low, v), Math.Max(high, v));
        return low <= high ? (low, high) : (0, 1);
    }

    /// <summary>A line through points; what is not finite is left out.</summary>
    public Plot Line(IReadOnlyList<double> xs, IReadOnlyList<double> ys, string style = "")
    {
        var path = new StringBuilder();
        for (int i = 0; i < xs.Count; i++)
            if (IsInside(xs[i], ys[i])) path.Append(path.Length == 0 ? 'M' : 'L').Append(N(X(xs[i]))).Append(' ').Append(N(Y(ys[i])));
        drawing.Append($"<path class=\"line {style}\" d=\"{path}\"/>");
        return this;
    }

    /// <summary>Bars between edges, from the axis up.</summary>
    /// <param name="edges">One more than bars.</param>
    /// <param name="heights">Of each bar; 0: none.</param>
    /// <param name="style">A class of the style sheet.</param>
    public Plot Bars(IReadOnlyList<double> edges, IReadOnlyList<double> heights, string style = "")
    {
        var path = new StringBuilder();
        for (int i = 0; i < heights.Count; i++)
        {
            if (!(heights[i] > (logY ? y.Low : 0))) continue;
            double left = X(Math.Max(edges[i], x.Low)), right = X(Math.Min(edges[i + 1], x.High));
            if (right > left) path.Append($"M{N(left)} {N(height - Bottom)}V{N(Y(Math.Min(heights[i], y.High)))}H{N(Math.Max(right - (right - left > 3 ? 1 : 0), left + 0.5))}V{N(height - Bottom)}");
        }
        drawing.Append($"<path class=\"fill {style}\" d=\"{path}\"/>");
        return this;
    }

    /// <summary>Points, each with a tooltip and an address where there is one.</summary>
    public Plot Points(IEnumerable<(double X, double Y, string? Tip, string? Href)> points, string style = "", double radius = 2.6)
    {
        foreach (var p in points)
        {
            if (!IsInside(p.X, p.Y)) continue;
            string dot = $"<circle class=\"dot {style}\" cx=\"{N(X(p.X))}\" cy=\"{N(Y(p.Y))}\" r=\"{N(radius)}\"{(p.Tip is null ? "" : $" data-tip=\"{Html.Escape(p.Tip)}\"")}/>";
            drawing.Append(p.Href is null ? dot : $"<a href=\"{Html.Escape(p.Href)}\" tabindex=\"-1\" aria-label=\"{Html.Escape(p.Tip)}\">{dot}</a>");
            hasLinks |= p.Href is not null;
        }
        return this;
    }

    /// <summary>A line of reference across the picture at a place of the horizontal axis.</summary>
    public Plot Rule(double at)
    {
        if (IsInside(at, y.High)) drawing.Append($"<line class=\"rule\" x1=\"{N(X(at))}\" x2=\"{N(X(at))}\" y1=\"{N(Top)}\" y2=\"{N(height - Bottom)}\"/>");
        return this;
    }

    /// <summary>A band between two heights.</summary>
    public Plot Band(double low, double high)
    {
        double top = Y(Math.Min(high, y.High)), bottom = Y(Math.Max(low, y.Low));
        drawing.Append($"<rect class=\"band\" x=\"{N(Left)}\" width=\"{N(width - Left - Right)}\" y=\"{N(top)}\" height=\"{N(Math.Max(0, bottom - top))}\"/>");
        return this;
    }

    /// <summary>The picture.</summary>
    /// <param name="alt">What a reader who cannot see it should know.</param>
    public string ToSvg(string alt) => $"<svg viewBox=\"0 0 {N(width)} {N(height)}\" role=\"{(hasLinks ? "group" : "img")}\" aria-label=\"{Html.Escape(alt)}\">{axes}{drawing}</svg>";

    private bool IsInside(double px, double py) => double.IsFinite(px) && double.IsFinite(py) && px >= x.Low && px <= x.High && py >= y.Low && py <= y.High && (!logX || px > 0) && (!logY || py > 0);

    private double X(double value) => Left + (width - Left - Right) * Share(value, x, logX);

    private double Y(double value) => height - Bottom - (height - Top - Bottom) * Share(value, y, logY);

    private static double Share(double value, (double Low, double High) ends, bool log) => log
        ? Math.Log(Math.Max(value, ends.Low) / ends.Low) / Math.Log(ends.High / ends.Low)
        : (value - ends.Low) / (ends.High - ends.Low);

    private static (double, double) Widened((double Low, double High) ends, bool log)
    {
        if (log) return ends.Low > 0 && ends.High > ends.Low ? ends : ends.Low > 0 ? (ends.Low / 2, ends.Low * 2) : (1e-6, 1);
        if (ends is (0, 0)) return (0, 1);
        return ends.High > ends.Low ? ends : (ends.Low - Math.Max(0.5, Math.Abs(ends.Low) / 2), ends.High + Math.Max(0.5, Math.Abs(ends.High) / 2));
    }

    private static IEnumerable<double> Ticks((double Low, double High) ends, bool log, int about)
    {
        if (log)
        {
            int from = (int)Math.Ceiling(Math.Log10(ends.Low) - 1e-9), to = (int)Math.Floor(Math.Log10(ends.High) + 1e-9), step = Math.Max(1, (to - from + 1) / about);
            for (int e = from; e <= to; e += step) yield return Math.Pow(10, e);
            yield break;
        }
        double raw = (ends.High - ends.Low) / about, power = Math.Pow(10, Math.Floor(Math.Log10(raw))), unit = raw / power;
        double width = power * (unit < 1.5 ? 1 : unit < 3.5 ? 2 : unit < 7.5 ? 5 : 10);
        for (double tick = Math.Ceiling(ends.Low / width - 1e-9) * width; tick <= ends.High + width * 1e-9; tick += width) yield return Math.Abs(tick) < width * 1e-9 ? 0 : tick;
    }

    private static string Tick(double value) => value != 0 && Math.Abs(value) < 0.01 ? Power(value) : Number.Short(value);

    private static string Power(double value)
    {
        double e = Math.Log10(Math.Abs(value));
        return Math.Abs(e - Math.Round(e)) < 1e-9 ? (value < 0 ? "\u2212" : "") + Number.PowerOfTen((int)Math.Round(e)) : Number.Text(value);
    }

    private static string N(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
