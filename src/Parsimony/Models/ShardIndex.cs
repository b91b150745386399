using System.Text.Json;

namespace Parsimony.Models;

/// <summary>Which shard of a model folder holds which tensor: Hugging Face's <c>*.index.json</c>, <c>{"weight_map": {tensor: file}}</c>.</summary>
internal static class ShardIndex
{
    /// <summary>Tensor names and the paths of their shards, every one of which is there.</summary>
    /// <param name="index">The index file; the shards are its neighbours.</param>
    /// <exception cref="FileNotFoundException">A shard is missing.</exception>
    /// <exception cref="InvalidDataException">The file is no such index, names a tensor twice, or a file outside its folder.</exception>
    public static List<(string Tensor, string Shard, string Path)> Read(string index)
    {
        var result = new List<(string, string, string)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string folder = Path.GetDirectoryName(index)!;
        foreach (var (tensor, shard) in WeightMap(index))
        {
            if (!seen.Add(tensor)) throw new InvalidDataException($"'{index}' names the tensor '{tensor}' twice; download the whole model again.");
            if (shard != Path.GetFileName(shard))
                throw new InvalidDataException($"'{index}' names the shard '{shard}'; a shard must be a file of the same folder.");
            string path = Path.Combine(folder, shard);
            if (!File.Exists(path))
                throw new FileNotFoundException($"'{index}' names the shard '{shard}', which is not there; download the whole model again.");
            result.Add((tensor, shard, path));
        }
        return result;
    }

    /// <summary>The fault of an index that promises a tensor which its shard lacks.</summary>
    public static InvalidDataException Lacks(string index, string shard, string tensor) =>
        new($"'{index}' says that '{shard}' holds the tensor '{tensor}', but it does not; download the whole model again.");

    private static List<(string Tensor, string Shard)> WeightMap(string index)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(index));
            return [.. json.RootElement.GetProperty("weight_map").EnumerateObject().Select(e => (e.Name, e.Value.GetString() ?? ""))];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new InvalidDataException($"'{index}' is not the index of a sharded model; expected {{\"weight_map\": {{tensor: file}}}}.", e);
        }
    }
}
