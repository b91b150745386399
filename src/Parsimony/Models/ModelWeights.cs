namespace Parsimony.Models;

/// <summary>Opens the weights of a model folder, whatever their format.</summary>
public static class ModelWeights
{
    /// <summary>Opens <c>model.safetensors</c> or its shards, or the checkpoint of llama2.c in a folder without a config.json.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has no weights, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file breaks its format, or an index does not fit its shards.</exception>
    public static IWeightSource Open(string folder) =>
        Llama2cFile.FindIn(folder) is { } checkpoint ? Llama2cFile.Open(checkpoint) : SafetensorsFolder.Open(folder);
}
