using System.Text.Json;

namespace Parsimony.FineTuning.Baselines;

/// <summary>Names of things in the words of files and command lines.</summary>
internal static class Words
{
    /// <summary>A value of an enumeration in snake_case.</summary>
    public static string Of<T>(T value) where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>Several things in a row.</summary>
    public static string List<T>(IEnumerable<T> things) => string.Join(' ', things);
}
