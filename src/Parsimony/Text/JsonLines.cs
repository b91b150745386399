using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Parsimony.Text;

/// <summary>One JSON object a line, each with a document in one of its fields.</summary>
internal static partial class JsonLines
{
    private const int LongestLine = 1 << 28;

    public static IEnumerable<TextRecord> Read(Func<TextReader> open, string path, string field, BadRecords bad, long from)
    {
        using var reader = open();
        var line = new StringBuilder();
        int number = 1;
        foreach (var (content, end) in TextLines.Read(reader, path))
        {
            line.Append(content.Span);
            if (line.Length > LongestLine)
                throw Refuse(path, number, field, $"the line is longer than {LongestLine} characters");
            if (end.Length == 0) continue;
            if (number > from)
                foreach (var piece in TextPiece.Of(Document(line.ToString(), path, number, field, bad))) yield return new(piece, number - 1);
            line.Clear();
            number++;
        }
        if (number <= from) yield break;
        foreach (var piece in TextPiece.Of(Document(line.ToString(), path, number, field, bad, " and the file ends there: it may be cut short"))) yield return new(piece, number - 1);
    }

    private static string Document(string line, string path, int number, string field, BadRecords bad, string atEnd = "")
    {
        if (string.IsNullOrWhiteSpace(line)) return "";
        try
        {
            return TextOf(line, path, number, field, atEnd);
        }
        catch (InvalidDataException e)
        {
            bad.Add(e);
            return "";
        }
    }

    private static string TextOf(string line, string path, int number, string field, string atEnd)
    {
        if (line.Contains("\\ud", StringComparison.OrdinalIgnoreCase))
            line = Escapes().Replace(line, m => m.Groups["lone"].Success ? "\\ufffd" : m.Value);
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw Refuse(path, number, field, $"this is {Kind(json.RootElement)}, not an object");
            if (!Find(json.RootElement, field, out var text))
                throw Refuse(path, number, field, $"the object has no \"{field}\" (it has: "
                    + string.Join(", ", json.RootElement.EnumerateObject().Take(8).Select(p => p.Name)) + ")");
            if (text.ValueKind != JsonValueKind.String) throw Refuse(path, number, field, $"\"{field}\" is {Kind(text)}, not a string");
            return text.GetString()!;
        }
        catch (JsonException e)
        {
            throw Refuse(path, number, field, $"this is not valid JSON (at byte {e.BytePositionInLine} of the line{atEnd})");
        }
    }

    /// <summary>The field of that very name, else the one inside others that outer.inner names.</summary>
    private static bool Find(JsonElement from, string field, out JsonElement found)
    {
        if (from.TryGetProperty(field, out found)) return true;
        int dot = field.IndexOf('.');
        return dot > 0 && from.TryGetProperty(field[..dot], out var inner) && inner.ValueKind == JsonValueKind.Object && Find(inner, field[(dot + 1)..], out found);
    }

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };

    private static InvalidDataException Refuse(string path, int number, string field, string fault) => new(
        $"'{path}', line {number}: {fault}. Each line must be one JSON object with a text in its field \"{field}\", "
        + $"such as {{\"{field}\": \"Once upon a time\"}}. Correct or delete the line, name another field with --text-column, or pass over broken lines with --skip-bad.");

    /// <summary>Every escape in turn, so that half a surrogate pair (no character, and refused by the JSON reader) can be told apart.</summary>
    [GeneratedRegex(@"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)")]
    private static partial Regex Escapes();
}
