using ScottPlot;

namespace Parsimony.Reporting;

/// <summary>
/// The few colours of a picture. In a picture file they are as written here; in the page each becomes a variable of the
/// style sheet, which has a light and a dark value for it (report.css; the light ones equal these).
/// </summary>
/// <param name="Hex">The colour on white paper.</param>
/// <param name="Variable">Its name in report.css.</param>
internal sealed record Ink(string Hex, string Variable)
{
    /// <summary>Axis lines and lines of reference.</summary>
    public static readonly Ink Text = new("#1C2430", "--ink");

    /// <summary>Tick labels and what stands back.</summary>
    public static readonly Ink Muted = new("#5A6672", "--muted");

    /// <summary>Grid lines.</summary>
    public static readonly Ink Hairline = new("#DDE2E6", "--hairline");

    /// <summary>What the picture is about.</summary>
    public static readonly Ink Accent = new("#1F5F8B", "--accent");

    /// <summary>The second thing the picture is about, or a warning.</summary>
    public static readonly Ink Warm = new("#B8521B", "--warm");

    /// <summary>Bars and lines that are there for comparison.</summary>
    public static readonly Ink Soft = new("#8AA1B5", "--soft");

    /// <summary>Writing on <see cref="Accent"/>.</summary>
    public static readonly Ink Paper = new("#FBFBF9", "--paper");

    /// <summary>All of them.</summary>
    public static readonly Ink[] All = [Text, Muted, Hairline, Accent, Warm, Soft, Paper];

    /// <summary>The colour for the plotting library.</summary>
    public Color Color => Color.FromHex(Hex);
}
