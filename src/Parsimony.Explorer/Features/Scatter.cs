using Parsimony.Exploration.Index;

namespace Parsimony.Explorer.Features;

/// <summary>Latents as points of a picture, not more than a browser draws at once.</summary>
public static class Scatter
{
    private const int Columns = 64, Rows = 32;

    /// <summary>
    /// The latents that are drawn. The picture is cut into cells on logarithmic axes, and every cell shows the same number of its latents at most, evenly chosen by index: crowds are thinned, whoever stands alone stays.
    /// </summary>
    /// <param name="index">The latents.</param>
    /// <param name="most">Points at most; where more cells than that are filled, one of each.</param>
    /// <returns>Latents, ascending, and how many each cell shows at most; none that never fires.</returns>
    public static (IReadOnlyList<int> Latents, int PerCell) Thin(FeatureIndex index, int most)
    {
        float[] density = index.Density.ToArray(), max = index.Max.ToArray();
        int[] alive = [.. Enumerable.Range(0, density.Length).Where(i => density[i] > 0 && max[i] > 0)];
        if (alive.Length <= most) return (alive, int.MaxValue);
        (double Low, double High) x = Ends(alive, density), y = Ends(alive, max);
        var cells = alive.GroupBy(i => Cell(density[i], x, Columns) * Rows + Cell(max[i], y, Rows)).Select(cell => cell.ToArray()).ToArray();
        int perCell = 1;
        while (cells.Sum(cell => Math.Min(cell.Length, perCell + 1)) <= most) perCell++;
        return ([.. cells.SelectMany(cell => Enumerable.Range(0, Math.Min(cell.Length, perCell)).Select(i => cell[(long)i * cell.Length / Math.Min(cell.Length, perCell)])).Order()], perCell);
    }

    private static (double, double) Ends(int[] latents, float[] values) => (Math.Log(latents.Min(i => values[i])), Math.Log(latents.Max(i => values[i])));

    private static int Cell(float value, (double Low, double High) ends, int cells) =>
        ends.High > ends.Low ? Math.Clamp((int)((Math.Log(value) - ends.Low) / (ends.High - ends.Low) * cells), 0, cells - 1) : 0;
}
