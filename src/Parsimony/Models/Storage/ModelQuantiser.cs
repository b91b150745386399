using System.Text.Json.Nodes;
using Parsimony.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// Writes a model folder whose matrices are in another storage, to be opened without reading the original: mapped, not quantised anew each time. The numbers are those that
/// <see cref="Transformer.Load"/> of the original in that storage has, and the model is the same to an SAE: it keeps the original's SHA-256.
/// </summary>
public static class ModelQuantiser
{
    internal const string SourceKey = "source_sha256", StorageKey = "weights"; // in the files' metadata
    private const long ShardBytes = 1L << 30; // what is in memory at a time

    /// <summary>Writes the folder; shards that an earlier call finished are kept, <c>config.json</c> comes last.</summary>
    /// <param name="model">A model folder in Hugging Face's layout.</param>
    /// <param name="storage">The storage.</param>
    /// <param name="folder">Where to; another folder than the model's.</param>
    /// <param name="progress">Told the bytes of the original that are done.</param>
    /// <param name="cancellation">Ends the work between two matrices; finished shards stay.</param>
    /// <exception cref="ArgumentException">The storage is float32, or the folder is the model's.</exception>
    /// <exception cref="InvalidDataException">The model is quantised already, or has no config.json.</exception>
    /// <exception cref="IOException">The disk is too small.</exception>
    public static void Write(string model, WeightStorage storage, string folder, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        if (storage == WeightStorage.Fp32) throw new ArgumentException("fp32 is how models are read without being quantised; allowed are bf16, fp16, int8, nf4, nf4_dq.", nameof(storage));
        if (Path.GetFullPath(model) == Path.GetFullPath(folder)) throw new ArgumentException($"'{folder}' is the model's own folder; name another with --out.", nameof(folder));
        string configFile = Path.Combine(model, "config.json");
        if (!File.Exists(configFile)) throw new InvalidDataException($"'{model}' has no config.json; only folders in Hugging Face's layout can be quantised.");
        var config = ModelConfig.Load(model);
        using var source = ModelWeights.Open(model);
        if (source.QuantisedAs is { } already) throw new InvalidDataException($"'{model}' is in {already.Name()} already; quantise the original weights.");

        var shards = Deal(config, source, storage);
        DiskSpace.Ensure(folder, shards.Sum(s => s.Bytes), "The quantised model", "Free some space, or name a folder on another disk with --out.");
        Directory.CreateDirectory(folder);
        var metadata = new Dictionary<string, string> { ["format"] = "pt", [SourceKey] = source.Sha256!, [StorageKey] = storage.Name() };
        var map = new JsonObject();
        long done = 0;
        for (int i = 0; i < shards.Count; i++)
        {
            string file = shards.Count == 1 ? SafetensorsFolder.SingleFile : $"model-{i + 1:00000}-of-{shards.Count:00000}.safetensors", path = Path.Combine(folder, file);
            if (!IsFinished(path, metadata)) WriteShard(path, shards[i].Names, config, source, storage, metadata, bytes => progress?.Report(done + bytes), cancellation);
            done += shards[i].Names.Sum(name => Numbers(source, name)) * sizeof(float);
            progress?.Report(done);
            using var written = SafetensorsFile.Open(path);
            foreach (string name in written.Tensors.Keys) map[name] = file;
        }
        if (shards.Count > 1) Json.Save(Path.Combine(folder, SafetensorsFolder.IndexFile), new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map });
        foreach (string file in Directory.GetFiles(model).Where(f => Path.GetExtension(f) is ".json" or ".txt" or ".model").Select(f => Path.GetFileName(f)))
            if (file != "config.json" && !file.Contains("index.json", StringComparison.Ordinal)) File.Copy(Path.Combine(model, file), Path.Combine(folder, file), overwrite: true);
        Json.Save(Path.Combine(folder, "config.json"), ConfigOf(Json.ParseObject(File.ReadAllText(configFile), configFile), storage));
    }

    /// <summary>Bytes of float32 that <see cref="Write"/> works through, for its progress.</summary>
    /// <param name="model">A model folder.</param>
    public static long Work(string model)
    {
        using var source = ModelWeights.Open(model);
        return Kept(source).Sum(name => Numbers(source, name)) * sizeof(float);
    }

    private static void WriteShard(string path, IReadOnlyList<string> names, IModelConfig config, IWeightSource source, WeightStorage storage, Dictionary<string, string> metadata,
        Action<long> done, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var tensors = new List<KeyValuePair<string, Tensor>>();
        long bytes = 0;
        foreach (string name in names)
        {
            cancellation.ThrowIfCancellationRequested();
            if (IsMatrix(config, source, name))
            {
                var weight = source.Stored(name);
                if (config.IsTransposed(name)) weight = weight.t().contiguous();
                using var matrix = StoredMatrix.Of(weight.DetachFromDisposeScope(), storage);
                tensors.AddRange(QuantisedFormat.Parts(name, matrix));
                source.Advise(name, isNeeded: false);
            }
            else
            {
                var stored = source.Stored(name);
                tensors.Add(new(name, config.IsTable(name) && stored.dtype == ScalarType.Float32 ? StoredMatrix.Table(stored.DetachFromDisposeScope(), storage) : stored));
            }
            done(bytes += Numbers(source, name) * sizeof(float));
        }
        SafetensorsFile.Write(path, tensors, metadata);
    }

    private static List<(List<string> Names, long Bytes)> Deal(IModelConfig config, IWeightSource source, WeightStorage storage)
    {
        List<(List<string> Names, long Bytes)> shards = [([], 0)];
        foreach (string name in Kept(source))
        {
            long bytes = IsMatrix(config, source, name) ? StoredMatrix.Bytes(storage, source.Shape(name)[0], source.Shape(name)[1]) : 2 * Numbers(source, name);
            if (shards[^1].Names.Count > 0 && shards[^1].Bytes + bytes > ShardBytes) shards.Add(([], 0));
            shards[^1].Names.Add(name);
            shards[^1] = shards[^1] with { Bytes = shards[^1].Bytes + bytes };
        }
        return shards;
    }

    /// <summary>All but the buffers of old files, which no loader needs.</summary>
    private static IEnumerable<string> Kept(IWeightSource source) => source.Names.Where(name => source.Shape(name).Count is 1 or 2 && !name.EndsWith("inv_freq", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    private static bool IsMatrix(IModelConfig config, IWeightSource source, string name) => source.Shape(name).Count == 2 && !config.IsTable(name);

    private static long Numbers(IWeightSource source, string name) => source.Shape(name).Aggregate(1L, (a, b) => a * b);

    private static bool IsFinished(string path, Dictionary<string, string> metadata)
    {
        if (!File.Exists(path)) return false;
        using var file = SafetensorsFile.Open(path); // files appear whole
        return metadata.All(m => file.Metadata.TryGetValue(m.Key, out string? value) && value == m.Value);
    }

    private static JsonObject ConfigOf(JsonObject config, WeightStorage storage)
    {
        if (storage is WeightStorage.Bf16 or WeightStorage.Fp16) config["torch_dtype"] = storage == WeightStorage.Bf16 ? "bfloat16" : "float16";
        else config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "bitsandbytes",
            ["load_in_4bit"] = storage != WeightStorage.Int8,
            ["load_in_8bit"] = storage == WeightStorage.Int8,
            ["bnb_4bit_quant_type"] = "nf4",
            ["bnb_4bit_use_double_quant"] = storage == WeightStorage.Nf4Dq,
            ["bnb_4bit_compute_dtype"] = "float32",
            ["llm_int8_skip_modules"] = new JsonArray(), // the unembedding is quantised, too
            ["llm_int8_threshold"] = 0.0, // no column keeps its precision
        };
        return config;
    }
}
