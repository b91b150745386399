using System.Globalization;

namespace Parsimony.Files;

/// <summary>Bytes as people read them.</summary>
public static class ByteSize
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB", "PB"];

    /// <summary>Three digits or so and a decimal unit: 512 B, 1.05 GB.</summary>
    public static string Text(long bytes)
    {
        double value = bytes;
        int unit = 0;
        for (; Math.Abs(value) >= 1000 && unit < Units.Length - 1; unit++) value /= 1000;
        string number = value.ToString(unit == 0 || value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);
        return $"{number} {Units[unit]}";
    }
}
