using Parsimony.Models;

namespace Parsimony.Tools.RandomModels;

/// <summary>One file of a model, and the tensors in it.</summary>
/// <param name="File">Its name.</param>
/// <param name="Tensors">Its tensors, in the model's order.</param>
internal sealed record Shard(string File, IReadOnlyList<NamedShape> Tensors);

/// <summary>Deals a model's tensors out to files as Hugging Face's <c>save_pretrained</c> does.</summary>
internal static class Shards
{
    /// <summary>In the model's order, a new file where a tensor would make the present one larger than allowed; a tensor is never cut.</summary>
    /// <param name="tensors">The model's.</param>
    /// <param name="elementBytes">Bytes of a number.</param>
    /// <param name="shardBytes">Bytes of a file at most, its header not counted.</param>
    public static IReadOnlyList<Shard> Deal(IEnumerable<NamedShape> tensors, int elementBytes, long shardBytes)
    {
        var files = new List<List<NamedShape>> { new() };
        long bytes = 0;
        foreach (var tensor in tensors)
        {
            long more = tensor.Elements * elementBytes;
            if (bytes + more > shardBytes && files[^1].Count > 0)
            {
                files.Add([]);
                bytes = 0;
            }
            files[^1].Add(tensor);
            bytes += more;
        }
        return files.Count == 1 ? [new("model.safetensors", files[0])]
            : [.. files.Select((list, i) => new Shard($"model-{i + 1:00000}-of-{files.Count:00000}.safetensors", list))];
    }
}
