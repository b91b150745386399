using System.Text.Json;
using Parsimony.Text;

namespace Parsimony.FineTuning;

/// <summary>The rows of a file of training data: JSON lines, or one JSON array of objects.</summary>
internal static class JsonRows
{
    private static readonly string[] LineEnds = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zip", ".json.gz", ".json.zst"];

    /// <summary>Whether the name is that of such a file.</summary>
    public static bool IsOne(string path) => path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
        || LineEnds.Any(end => path.EndsWith(end, StringComparison.OrdinalIgnoreCase));

    /// <summary>The rows in order, blank lines left out, and where each stands; null for one that is no JSON. A row is valid until the next is read.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The archive is broken, or a .json file is no array.</exception>
    public static IEnumerable<(JsonElement? Row, string Where)> Read(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file '{path}'.", path);
        return path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? Array(path) : Lines(path);
    }

    /// <summary>The text of a field; null where there is none, it is no text, or it has half a surrogate pair in it.</summary>
    public static string? Text(JsonElement row, string field)
    {
        try
        {
            return row.ValueKind is JsonValueKind.Object && row.TryGetProperty(field, out var value) && value.ValueKind is JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether a row is an object with a field of that name.</summary>
    public static bool Has(JsonElement? row, string field) => row is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty(field, out _);

    /// <summary>Whether a row has a text with a verdict on it, true or false, as for KTO.</summary>
    public static bool IsLabelled(JsonElement? row) => ((string[])["label", "kto_tag"]).Any(field =>
        Has(row, field) && row!.Value.GetProperty(field).ValueKind is JsonValueKind.True or JsonValueKind.False);

    private static IEnumerable<(JsonElement?, string)> Lines(string path)
    {
        using var reader = TextFile.Open(path);
        int number = 0;
        foreach (string line in TextLines.Whole(reader, path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            using var json = Parsed(line);
            yield return (json?.RootElement, $"{path} line {number}");
        }
    }

    private static IEnumerable<(JsonElement?, string)> Array(string path)
    {
        using var json = Whole(path);
        if (json.RootElement.ValueKind is not JsonValueKind.Array) throw new InvalidDataException(
            $"'{path}' is not a JSON array of objects. One object on each line is read from a .jsonl file: rename it.");
        int number = 0;
        foreach (var row in json.RootElement.EnumerateArray()) yield return (row, $"{path} row {++number}");
    }

    private static JsonDocument Whole(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonDocument.Parse(file);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is not valid JSON (line {e.LineNumber + 1}). One object on each line is read from a .jsonl file: rename it.", e);
        }
    }

    private static JsonDocument? Parsed(string line)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
