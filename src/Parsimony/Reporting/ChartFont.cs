using ScottPlot;
using SkiaSharp;

namespace Parsimony.Reporting;

/// <summary>
/// The typeface of every picture. It is carried along because a container may have no fonts at all, in which case the plotting
/// library draws no text; and because it writes the position of each glyph, which is right only with the same typeface.
/// </summary>
internal sealed class ChartFont : IFontResolver
{
    /// <summary>The family's name, in pictures and in the page's style sheet.</summary>
    public const string Name = "Inter";

    private static readonly Lazy<SKTypeface> Face = new(() => SKTypeface.FromData(SKData.CreateCopy(Asset.Bytes("Inter-Regular.otf"))));
    private static readonly Lazy<bool> Registered = new(() =>
    {
        Fonts.FontResolvers.Insert(0, new ChartFont());
        return true;
    });

    /// <summary>Makes the typeface known to the plotting library, once.</summary>
    public static void Register() => _ = Registered.Value;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
        fontName == Name ? Face.Value : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? Face.Value : null;
}
