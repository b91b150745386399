using Parsimony.Files;
using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>
/// The weights of a Hugging Face model folder as torch saved them: <c>pytorch_model.bin</c>, or the shards that
/// <c>pytorch_model.bin.index.json</c> names. Read as data only; nothing but the listings is read before a tensor is asked for.
/// </summary>
public sealed class TorchFolder : IWeightSource
{
    internal const string SingleFile = "pytorch_model.bin", IndexFile = "pytorch_model.bin.index.json";
    private readonly Dictionary<string, TorchFile> fileOf = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, TorchFile> files = new(StringComparer.Ordinal);
    private readonly Lazy<string> sha256;

    private TorchFolder() => sha256 = new Lazy<string>(() => FileHash.Sha256(Paths));

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Names => fileOf.Keys;

    /// <summary>The files, in name order.</summary>
    public IEnumerable<string> Paths => files.Values.Select(f => f.Path);

    /// <summary>SHA-256 over the bytes of the shards in name order, lower-case hex; of a single file its own.</summary>
    public string Sha256 => sha256.Value;

    /// <summary>Opens the weights of a model folder.</summary>
    /// <exception cref="FileNotFoundException">The folder has no such weights, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file breaks its format, or the index does not fit its shards.</exception>
    public static TorchFolder Open(string folder)
    {
        var result = new TorchFolder();
        try
        {
            string single = Path.Combine(folder, SingleFile), index = Path.Combine(folder, IndexFile);
            if (File.Exists(single))
                foreach (string name in (result.files[SingleFile] = TorchFile.Open(single)).Tensors.Keys) result.fileOf.Add(name, result.files[SingleFile]);
            else if (File.Exists(index)) result.AddShards(index);
            else throw new FileNotFoundException($"'{folder}' holds neither {SingleFile} nor {IndexFile}.");
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
    /// <exception cref="InvalidDataException">There is no such tensor, or its data is damaged.</exception>
    public Tensor Read(string name) => FileOf(name).Read(name, ScalarType.Float32);

    /// <summary>A tensor of the type it is stored in, a copy that the caller owns.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor, or its data is damaged.</exception>
    public Tensor Stored(string name) => FileOf(name).Read(name);

    /// <summary>Closes all files; tensors read from them stay valid.</summary>
    public void Dispose()
    {
        foreach (var file in files.Values) file.Dispose();
    }

    private TorchFile FileOf(string name) => fileOf.TryGetValue(name, out var file) ? file
        : throw new InvalidDataException($"the model has no tensor '{name}'; its files are '{string.Join("', '", Paths)}'.");

    private void AddShards(string index)
    {
        foreach (var (name, shard, path) in ShardIndex.Read(index))
        {
            if (!files.TryGetValue(shard, out var file)) file = files[shard] = TorchFile.Open(path);
            if (!file.Tensors.ContainsKey(name)) throw ShardIndex.Lacks(index, shard, name);
            fileOf.Add(name, file);
        }
    }
}
