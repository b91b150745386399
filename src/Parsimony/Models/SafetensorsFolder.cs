using Parsimony.Files;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// The weights of a Hugging Face model folder: <c>model.safetensors</c>, or the shards that
/// <c>model.safetensors.index.json</c> names. Nothing but the headers is read before a tensor is asked for.
/// </summary>
public sealed class SafetensorsFolder : IWeightSource
{
    internal const string SingleFile = "model.safetensors", IndexFile = "model.safetensors.index.json";
    private readonly Dictionary<string, SafetensorsFile> fileOf = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, SafetensorsFile> files = new(StringComparer.Ordinal);
    private readonly Lazy<string> sha256;

    private SafetensorsFolder() => sha256 = new Lazy<string>(() => FileHash.Sha256(Paths));

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => fileOf.Keys;

    /// <summary>The files, in name order.</summary>
    public IEnumerable<string> Paths => files.Values.Select(f => f.Path);

    /// <summary>SHA-256 over the bytes of the shards in name order, lower-case hex; of a single file its own.</summary>
    public string Sha256 => sha256.Value;

    /// <summary>Opens the weights of a model folder.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has no weights, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file breaks its format, or the index does not fit its shards.</exception>
    public static SafetensorsFolder Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"'{folder}' is not a folder; expected a model in the Hugging Face layout.");
        var result = new SafetensorsFolder();
        try
        {
            string single = Path.Combine(folder, SingleFile), index = Path.Combine(folder, IndexFile);
            if (File.Exists(single)) result.AddAll(single);
            else if (File.Exists(index)) result.AddShards(index);
            else
                throw new FileNotFoundException($"'{folder}' holds neither {SingleFile} nor {IndexFile}; "
                    + "a model folder needs one of them, or pytorch_model.bin (weights in another format must be converted first).");
        }
        catch
        {
            result.Dispose();
            throw;
        }
        return result;
    }

    /// <inheritdoc/>
    public bool Contains(string name) => fileOf.ContainsKey(name);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public IReadOnlyList<long> Shape(string name) => FileOf(name).Tensors[name].Shape;

    /// <summary>A tensor as float32, a copy that the caller owns.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public Tensor Read(string name) => FileOf(name).Read(name, ScalarType.Float32);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public Tensor Stored(string name) => FileOf(name).View(name);

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public void Advise(string name, bool isNeeded) => FileOf(name).Advise(name, isNeeded);

    /// <summary>The element type as stored.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public ScalarType StoredType(string name) => FileOf(name).Tensors[name].Type;

    /// <summary>Closes all files; tensors read from them stay valid.</summary>
    public void Dispose()
    {
        foreach (var file in files.Values) file.Dispose();
    }

    private SafetensorsFile FileOf(string name) => fileOf.TryGetValue(name, out var file) ? file
        : throw new InvalidDataException($"the model has no tensor '{name}'; its files are '{string.Join("', '", Paths)}'.");

    private void AddAll(string path)
    {
        var file = files[SingleFile] = SafetensorsFile.Open(path);
        foreach (string name in file.Tensors.Keys) fileOf.Add(name, file);
    }

    private void AddShards(string index)
    {
        foreach (var (name, shard, path) in ShardIndex.Read(index))
        {
            if (!files.TryGetValue(shard, out var file)) file = files[shard] = SafetensorsFile.Open(path);
            if (!file.Contains(name)) throw ShardIndex.Lacks(index, shard, name);
            fileOf.Add(name, file);
        }
    }
}
