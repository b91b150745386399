namespace Parsimony.Explorer.Comparing;

/// <summary>In what order the features of a comparison are listed.</summary>
internal static class ComparedOrder
{
    /// <summary>Features on a page of the table.</summary>
    public const int PerPage = 50;

    /// <summary>Names of the columns in an address.</summary>
    public static IReadOnlyList<string> Columns { get; } = ["effect", "latent", "c", "d", "threshold", "density", "t", "q", "left_out"];

    /// <summary>Sorts: by how far from rest, largest first; the latent and q smallest first. What was not measured comes last.</summary>
    /// <param name="features">The features.</param>
    /// <param name="column">One of <see cref="Columns"/>; null: effect.</param>
    /// <exception cref="ArgumentException">There is no such column.</exception>
    public static IReadOnlyList<ComparedFeature> By(IReadOnlyList<ComparedFeature> features, string? column)
    {
        Func<ComparedFeature, double> key = column switch
        {
            null or "" or "effect" => f => -f.Effect,
            "latent" => f => f.Latent,
            "c" => f => -Math.Abs(f.Scale - 1),
            "d" => f => -Math.Abs(f.Shift),
            "threshold" => f => -Math.Abs(f.ThresholdShift),
            "density" => f => -Math.Abs((f.DensityAfter - f.DensityBefore) ?? double.NaN),
            "t" => f => -Math.Abs(f.T ?? double.NaN),
            "q" => f => f.Q ?? double.NaN,
            "left_out" => f => -Math.Abs(f.LeftOut ?? double.NaN),
            _ => throw new ArgumentException($"there is no column '{column}' to sort by; there are: {string.Join(", ", Columns)}."),
        };
        return [.. features.OrderBy(f => double.IsNaN(key(f)) ? double.PositiveInfinity : key(f))];
    }
}
