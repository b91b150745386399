using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Parsimony.Files;

namespace Parsimony.Training;

/// <summary>Collects everything that is wrong with options, so that one error names it all.</summary>
internal sealed class OptionFaults
{
    private readonly List<string> faults = [];

    /// <summary>Adds a fault unless the value is good.</summary>
    /// <param name="good">Whether it is.</param>
    /// <param name="name">The option, in snake_case.</param>
    /// <param name="value">Its value.</param>
    /// <param name="allowed">What would be good.</param>
    public void Check(bool good, string name, object? value, string allowed)
    {
        if (!good) faults.Add($"{name} is {value ?? "null"}; allowed: {allowed}");
    }

    /// <summary>A finite number of a least size; the option is named by the expression that gives its value, as in the others below.</summary>
    public void AtLeast<T>(T least, T value, [CallerArgumentExpression(nameof(value))] string option = "") where T : INumber<T> =>
        Check(T.IsFinite(value) && value >= least, Name(option), value, $"{least} or more");

    /// <summary>A finite number above 0.</summary>
    public void AboveZero(double value, [CallerArgumentExpression(nameof(value))] string option = "") => Check(double.IsFinite(value) && value > 0, Name(option), value, "above 0");

    /// <summary>A share that is not all.</summary>
    public void Share(double value, [CallerArgumentExpression(nameof(value))] string option = "") => Check(value is >= 0 and < 1, Name(option), value, "0 or more and below 1");

    /// <summary>A size in bytes that can be read.</summary>
    public void Size(string value, string example, [CallerArgumentExpression(nameof(value))] string option = "") =>
        Check(ByteSize.TryParse(value, out _), Name(option), $"'{value}'", $"a size such as {example}, or 0");

    private static string Name(string option) => JsonNamingPolicy.SnakeCaseLower.ConvertName(option);

    /// <summary>Throws when there is a fault.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public void ThrowIfAny(string what)
    {
        if (faults.Count > 0) throw new ArgumentException($"{what} are wrong: {string.Join("; ", faults)}.");
    }
}
