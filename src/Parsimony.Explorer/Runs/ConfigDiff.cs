using System.Text.Json.Nodes;
using Parsimony.Files;

namespace Parsimony.Explorer.Runs;

/// <summary>An option that two runs have differently.</summary>
/// <param name="Key">Its path, such as <c>train.sae.learning_rate</c>.</param>
/// <param name="Mine">As JSON; null: not set.</param>
/// <param name="Other">The other run's.</param>
public sealed record ConfigDiff(string Key, string? Mine, string? Other)
{
    /// <summary>All options that differ, in the order of their names.</summary>
    public static IReadOnlyList<ConfigDiff> Of(JsonObject mine, JsonObject other)
    {
        var (a, b) = (Leaves(mine), Leaves(other));
        return [.. a.Keys.Union(b.Keys).Order(StringComparer.Ordinal).Where(key => a.GetValueOrDefault(key) != b.GetValueOrDefault(key))
            .Select(key => new ConfigDiff(key, a.GetValueOrDefault(key), b.GetValueOrDefault(key)))];
    }

    private static Dictionary<string, string> Leaves(JsonObject config)
    {
        var leaves = new Dictionary<string, string>();
        void Walk(JsonNode? node, string path)
        {
            if (node is JsonObject inner && inner.Count > 0)
                foreach (var (key, value) in inner) Walk(value, path.Length == 0 ? key : $"{path}.{key}");
            else if (path.Length > 0) leaves[path] = node?.ToJsonString(Json.Line) ?? "null";
        }
        Walk(config, "");
        return leaves;
    }
}
