using Parsimony.Models.TorchFiles;

namespace Parsimony.Models;

/// <summary>Opens the weights of a model folder, whatever their format.</summary>
public static class ModelWeights
{
    /// <summary>Opens <c>model.safetensors</c> or its shards, else <c>pytorch_model.bin</c> or its shards; in a folder without a config.json the checkpoint
    /// of llama2.c.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has no weights, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file breaks its format, or an index does not fit its shards.</exception>
    public static IWeightSource Open(string folder)
    {
        if (Llama2cFile.FindIn(folder) is { } checkpoint) return Llama2cFile.Open(checkpoint);
        bool Has(string name) => File.Exists(Path.Combine(folder, name));
        return !Has(SafetensorsFolder.SingleFile) && !Has(SafetensorsFolder.IndexFile) && (Has(TorchFolder.SingleFile) || Has(TorchFolder.IndexFile))
            ? TorchFolder.Open(folder) : SafetensorsFolder.Open(folder);
    }

    /// <summary>The files that hold a folder's weights, in name order; checks an index against its shards.</summary>
    /// <exception cref="FileNotFoundException">As for <see cref="Open"/>.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Open"/>.</exception>
    public static IReadOnlyList<string> Paths(string folder)
    {
        using var weights = Open(folder);
        return weights switch
        {
            SafetensorsFolder safetensors => [.. safetensors.Paths],
            TorchFolder torch => [.. torch.Paths],
            _ => [Llama2cFile.FindIn(folder)!],
        };
    }
}
