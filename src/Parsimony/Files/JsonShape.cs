using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Parsimony.Files;

/// <summary>What keys and values a type's JSON may have, and sentences on how a given one departs from it.</summary>
internal static class JsonShape
{
    /// <exception cref="InvalidDataException">A key, at any depth, that the type does not have.</exception>
    public static void RefuseUnknownKeys(JsonObject json, JsonTypeInfo type, string source)
    {
        if (type.Kind != JsonTypeInfoKind.Object) return;
        var known = type.Properties.Where(p => p.Get is not null || p.Set is not null).ToList(); // [JsonIgnore] leaves neither
        foreach (var (key, value) in json)
        {
            var property = known.Find(p => p.Name == key)
                ?? throw new InvalidDataException($"{source}: '{key}' is not a key here.{Suggest(key, known.Select(p => p.Name))}");
            if (value is JsonObject inner) RefuseUnknownKeys(inner, type.Options.GetTypeInfo(property.PropertyType), $"{source}: {key}");
        }
    }

    /// <summary>" Did you mean 'x'? Allowed: a, b, x." for a name that is none of <paramref name="allowed"/>.</summary>
    public static string Suggest(string wrong, IEnumerable<string> allowed)
    {
        string[] names = [.. allowed.Order(StringComparer.Ordinal)];
        string? closest = names.MinBy(name => EditDistance(wrong, name));
        bool near = closest is not null && EditDistance(wrong, closest) <= Math.Max(2, wrong.Length / 3);
        return (near ? $" Did you mean '{closest}'?" : "") + $" Allowed: {string.Join(", ", names)}.";
    }

    /// <summary>A sentence on why the serialiser refused.</summary>
    public static string Explain(JsonException e, JsonObject json, JsonTypeInfo type)
    {
        string path = (e.Path ?? "$").TrimStart('$').TrimStart('.');
        JsonNode? value = json;
        JsonPropertyInfo? property = null;
        foreach (string key in path.Length == 0 ? [] : path.Split('.'))
        {
            property = type.Properties.FirstOrDefault(p => p.Name == key);
            if (property is null) break; // inside a list: the serialiser's own words
            value = (value as JsonObject)?[key];
            type = type.Options.GetTypeInfo(property.PropertyType);
        }
        var missing = value is JsonObject given ? type.Properties.Where(p => p.IsRequired && !given.ContainsKey(p.Name)).ToList() : [];
        if (missing.Count > 0) return $"{(path.Length == 0 ? "" : path + ": ")}{string.Join(", ", missing.Select(p => p.Name))} must be given.";
        bool general = e.Message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal); // else a converter's own
        return property is null || !general ? $"{path}: {e.Message.Split(" Path:")[0]}"
            : $"{path} is {value?.ToJsonString() ?? "null"}; expected {Expected(property.PropertyType)}.";
    }

    /// <summary>What a value of the type looks like, in words.</summary>
    public static string Expected(Type type)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        if (plain.IsEnum) return "one of " + string.Join(", ", Enum.GetNames(plain).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName));
        if (plain == typeof(bool)) return "true or false";
        if (plain == typeof(int) || plain == typeof(long)) return "a whole number";
        if (plain == typeof(double) || plain == typeof(float)) return "a number";
        return plain == typeof(string) ? "a text" : $"a {plain.Name}";
    }

    private static int EditDistance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
