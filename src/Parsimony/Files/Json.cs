using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Parsimony.Files;

/// <summary>
/// The one JSON policy of configs, reports and run folders: snake_case names, an unknown key is an error, enums as snake_case
/// words, numbers that are not finite as "NaN", "Infinity" and "-Infinity".
/// </summary>
public static class Json
{
    /// <summary>The policy, indented: for files that people read.</summary>
    public static JsonSerializerOptions Options { get; } = Policy(indented: true);

    /// <summary>The same on one line: for metrics.jsonl and standard output.</summary>
    public static JsonSerializerOptions Line { get; } = Policy(indented: false);

    /// <summary>A value as indented JSON, ending in a newline.</summary>
    public static string Write<T>(T value) => JsonSerializer.Serialize(value, Options) + "\n";

    /// <summary>A value as one line without a newline.</summary>
    public static string WriteLine<T>(T value) => JsonSerializer.Serialize(value, Line);

    /// <summary>Writes a value to a file, whole or not at all.</summary>
    /// <exception cref="IOException">The file cannot be written; nothing is left behind.</exception>
    public static void Save<T>(string path, T value) => AtomicFile.WriteText(path, Write(value));

    /// <summary>Reads a file that holds one <typeparamref name="T"/>.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Parse{T}(string, string)"/>.</exception>
    public static T Load<T>(string path) =>
        File.Exists(path) ? Parse<T>(File.ReadAllText(path), path)
        : throw new FileNotFoundException($"'{path}' does not exist; expected a JSON file.", path);

    /// <summary>Reads a value from text; <paramref name="source"/> says where it came from, for messages.</summary>
    /// <exception cref="InvalidDataException">
    /// It is not JSON; or a key is unknown (the message names it, the closest one and all that are allowed), missing, or of the
    /// wrong type.
    /// </exception>
    public static T Parse<T>(string text, string source) => Parse<T>(ParseObject(text, source), source);

    /// <summary>Reads a value from an object, such as a file's with flags put over it.</summary>
    /// <exception cref="InvalidDataException">As above.</exception>
    public static T Parse<T>(JsonObject json, string source)
    {
        JsonShape.RefuseUnknownKeys(json, Options.GetTypeInfo(typeof(T)), source);
        try
        {
            return json.Deserialize<T>(Options)!;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{source}: {JsonShape.Explain(e, json, Options.GetTypeInfo(typeof(T)))}", e);
        }
    }

    /// <summary>Reads a JSON object from text.</summary>
    /// <exception cref="InvalidDataException">It is not JSON, or not an object.</exception>
    public static JsonObject ParseObject(string text, string source)
    {
        try
        {
            if (JsonNode.Parse(text, documentOptions: new() { AllowDuplicateProperties = false }) is JsonObject json) return json;
        }
        catch (JsonException e)
        {
            string where = e.LineNumber is { } line ? $" (line {line + 1})" : "";
            throw new InvalidDataException($"{source} is not valid JSON{where}: {e.Message.Split(". ")[0]}.", e);
        }
        throw new InvalidDataException($"{source} does not hold a JSON object {{...}}.");
    }

    private static JsonSerializerOptions Policy(bool indented)
    {
        var options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // <|endoftext|> stays legible; not for pasting into HTML
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
            TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
            WriteIndented = indented,
        };
        options.MakeReadOnly();
        return options;
    }
}
