using System.Globalization;

namespace Parsimony.Reporting;

/// <summary>How numbers are written for people, always with a point for the decimals.</summary>
internal static class Number
{
    private static readonly CultureInfo C = CultureInfo.InvariantCulture;

    /// <summary>Three to four significant digits: 3.193, 0.0412, 1,204.</summary>
    public static string Text(double value) => Math.Abs(value) switch
    {
        _ when !double.IsFinite(value) => value.ToString(C),
        0 => "0",
        >= 1000 => value.ToString("#,0", C),
        >= 100 => value.ToString("0.#", C),
        >= 10 => value.ToString("0.#", C),
        >= 0.1 => value.ToString("0.###", C),
        >= 0.001 => value.ToString("0.####", C),
        _ => value.ToString("0.##e-0", C),
    };

    /// <summary>A loss: always three decimals, so that two of them can be compared at a glance.</summary>
    public static string Loss(double value) => value.ToString("0.000", C);

    /// <summary>A change, with its sign: +0.012, −0.308.</summary>
    public static string Signed(double value) => value.ToString("+0.000;\u22120.000;\u00b10.000", C);

    /// <summary>A fraction as percent: 97.2 %, 0.31 %.</summary>
    public static string Percent(double fraction) => Math.Abs(fraction) switch
    {
        0 => "0\u202f%",
        < 0.0001 => (100 * fraction).ToString("0.##e-0", C) + "\u202f%",
        < 0.1 => (100 * fraction).ToString("0.##", C) + "\u202f%",
        _ => (100 * fraction).ToString("0.#", C) + "\u202f%",
    };

    /// <summary>A whole number: 1,204,224.</summary>
    public static string Count(long value) => value.ToString("#,0", C);

    /// <summary>A count for an axis or a card: 950, 12k, 1.5M.</summary>
    public static string Short(double value) => Math.Abs(value) switch
    {
        >= 1e9 => (value / 1e9).ToString("0.##", C) + "B",
        >= 1e6 => (value / 1e6).ToString("0.##", C) + "M",
        >= 1e4 => (value / 1e3).ToString("0.#", C) + "k",
        _ => value.ToString("#,0.##", C),
    };

    /// <summary>A duration: 4.2 s, 3 min 12 s, 1 h 05 min.</summary>
    public static string Duration(double seconds) => seconds switch
    {
        < 10 => seconds.ToString("0.0", C) + " s",
        < 60 => seconds.ToString("0", C) + " s",
        < 3600 => $"{(int)seconds / 60} min {(int)seconds % 60:00} s",
        _ => $"{(int)seconds / 3600} h {(int)seconds / 60 % 60:00} min",
    };

    /// <summary>10⁻³ and so on; 1 for the zeroth power.</summary>
    public static string PowerOfTen(int exponent) => exponent == 0 ? "1" : "10" + string.Concat(
        exponent.ToString(C).Select(digit => digit == '-' ? '\u207b' : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit - '0']));
}
