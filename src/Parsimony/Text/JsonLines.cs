using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Parsimony.Text;

/// <summary>One JSON object a line, each with a document in one of its fields.</summary>
internal static partial class JsonLines
{
    private const int LongestLine = 1 << 28;

    public static IEnumerable<TextPiece> Read(Func<TextReader> open, string path, string field)
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
            foreach (var piece in Pieces(line.ToString(), path, number, field)) yield return piece;
            line.Clear();
            number++;
        }
        foreach (var piece in Pieces(line.ToString(), path, number, field, " and the file ends there: it may be cut short")) yield return piece;
    }

    private static IEnumerable<TextPiece> Pieces(string line, string path, int number, string field, string atEnd = "")
    {
        if (string.IsNullOrWhiteSpace(line)) yield break;
        string text = TextOf(line, path, number, field, atEnd);
        for (int at = 0, end; at < text.Length; at = end)
        {
            end = at + SafeCut.Length(text.AsSpan(at), SafeCut.PieceChars);
            yield return new(text[at..end], EndsDocument: end == text.Length);
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
            if (!json.RootElement.TryGetProperty(field, out var text))
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
        + $"such as {{\"{field}\": \"Once upon a time\"}}. Correct or delete the line, or name another field.");

    /// <summary>Every escape in turn, so that half a surrogate pair (no character, and refused by the JSON reader) can be told apart.</summary>
    [GeneratedRegex(@"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)")]
    private static partial Regex Escapes();
}
