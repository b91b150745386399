using System.Globalization;

namespace Parsimony.Files;

/// <summary>Bytes as people read and write them.</summary>
public static class ByteSize
{
    private static readonly string[] Written = ["B", "kB", "MB", "GB", "TB", "PB"];

    private static readonly (string Unit, long Bytes)[] Read =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ];

    /// <summary>Three digits or so and a decimal unit: 512 B, 1.05 GB.</summary>
    public static string Text(long bytes)
    {
        double value = bytes;
        int unit = 0;
        for (; Math.Abs(value) >= 1000 && unit < Written.Length - 1; unit++) value /= 1000;
        string number = value.ToString(unit == 0 || value >= 100 ? "0" : value >= 10 ? "0.0" : "0.00", CultureInfo.InvariantCulture);
        return $"{number} {Written[unit]}";
    }

    /// <summary>Reads <c>2GiB</c>, <c>512 MiB</c>, <c>1.5GB</c>, <c>4096</c> (bytes) or <c>0</c>; the unit's case does not matter.</summary>
    /// <exception cref="FormatException">The text is not a size.</exception>
    public static long Parse(string text) => TryParse(text, out long bytes) ? bytes : throw new FormatException(
        $"'{text}' is not a size in bytes. Write a number and a unit: {string.Join(", ", Read.Select(u => u.Unit))}; for example 2GiB or 0.");

    /// <summary>As <see cref="Parse"/>, without an exception.</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        string number = (text ?? "").Trim();
        long unit = 1;
        foreach (var (name, size) in Read)
        {
            if (!number.EndsWith(name, StringComparison.OrdinalIgnoreCase)) continue;
            (number, unit) = (number[..^name.Length].TrimEnd(), size);
            break;
        }
        bytes = 0;
        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value)) return false;
        if (value > long.MaxValue / (decimal)unit) return false;
        bytes = (long)(value * unit);
        return true;
    }
}
