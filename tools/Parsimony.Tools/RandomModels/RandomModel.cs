using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Tools.LanguageModel;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.RandomModels;

/// <summary>
/// A model folder of a true shape with random weights: what shows that a size can be worked with where the model itself cannot be had. Matrices are
/// normal with deviation 0.02, those that write into the residual stream with 0.02 / sqrt(2 n_layers) (Radford et al. 2019, section 2.3), so that
/// activations stay of order one; gains are 1 and biases 0.
/// </summary>
/// <param name="Config">The shape.</param>
/// <param name="Type">Element type of the files: bfloat16, float16 or float32.</param>
/// <param name="ShardBytes">Bytes of a file at most.</param>
/// <param name="Seed">The same seed, shape and type give the same bytes.</param>
internal sealed record RandomModel(GptNeoXConfig Config, ScalarType Type, long ShardBytes, long Seed)
{
    private const double Deviation = 0.02;

    private int ElementBytes => Type == ScalarType.Float32 ? 4 : 2;

    /// <summary>Bytes of its weights.</summary>
    public long Bytes => ModelTensors.Of(Config).Sum(t => t.Elements) * ElementBytes;

    /// <summary>Writes the folder under a temporary name and renames it; never more than a tensor is in memory.</summary>
    /// <param name="folder">What it is to be called; must not be there yet.</param>
    /// <param name="tokenizer">The <c>tokenizer.json</c> that is copied into it.</param>
    /// <param name="progress">Told the bytes written so far.</param>
    /// <exception cref="FileNotFoundException">There is no such tokenizer.</exception>
    /// <exception cref="IOException">The folder is there already, or the disk is too small; nothing is left behind.</exception>
    public void Write(string folder, string tokenizer, IProgress<long>? progress = null)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Path.Exists(folder)) throw new IOException($"'{folder}' is there already. Delete it, or name another folder with --out.");
        if (!File.Exists(tokenizer)) throw new FileNotFoundException($"'{tokenizer}' does not exist; --tokenizer expects a tokenizer.json.", tokenizer);
        DiskSpace.Ensure(folder, Bytes, "The model", "Free some space, choose fewer --layers, or name a folder on another disk.");
        string temporary = folder + ".tmp"; // beside it: a rename across disks would be a copy
        if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true); // a killed process left it
        try
        {
            Directory.CreateDirectory(temporary);
            WriteWeights(temporary, progress);
            Json.Save(Path.Combine(temporary, "config.json"), GptNeoXConfigJson.Of(Config, Type == ScalarType.BFloat16 ? "bfloat16" : Type == ScalarType.Float16 ? "float16" : "float32"));
            File.Copy(tokenizer, Path.Combine(temporary, "tokenizer.json"));
            Directory.Move(temporary, folder);
        }
        catch
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    private void WriteWeights(string folder, IProgress<long>? progress)
    {
        var shards = Shards.Deal(ModelTensors.Of(Config), ElementBytes, ShardBytes);
        using var matrices = new RandomBlock(Type, Deviation, Seed);
        using var outputs = new RandomBlock(Type, Deviation / Math.Sqrt(2 * Config.NLayers), Seed);
        int number = 0;
        long written = 0;
        foreach (var (file, tensors) in shards)
            SafetensorsFile.WriteEach(Path.Combine(folder, file), tensors.Select(Promise).ToList(), new Dictionary<string, string> { ["format"] = "pt" });
        if (shards.Count > 1) Json.Save(Path.Combine(folder, "model.safetensors.index.json"), Index(shards));

        TensorToWrite Promise(NamedShape tensor)
        {
            int mine = number++;
            return new TensorToWrite(tensor.Name, Type, tensor.Shape, () =>
            {
                progress?.Report(written);
                written += tensor.Elements * ElementBytes;
                return tensor switch
                {
                    { Shape.Length: > 1 } => (WritesToResidual(tensor.Name) ? outputs : matrices).Cut(tensor.Shape, mine),
                    _ when tensor.Name.EndsWith(".weight", StringComparison.Ordinal) => ones(tensor.Shape, Type), // of a layer norm
                    _ => zeros(tensor.Shape, Type),
                };
            });
        }
    }

    private JsonObject Index(IReadOnlyList<Shard> shards) => new()
    {
        ["metadata"] = new JsonObject { ["total_size"] = Bytes },
        ["weight_map"] = new JsonObject(shards.SelectMany(s => s.Tensors, (s, t) => (t.Name, s.File))
            .OrderBy(e => e.Name, StringComparer.Ordinal).Select(e => KeyValuePair.Create(e.Name, (JsonNode?)e.File))),
    };

    private static bool WritesToResidual(string name) =>
        name.EndsWith("attention.dense.weight", StringComparison.Ordinal) || name.EndsWith("dense_4h_to_h.weight", StringComparison.Ordinal);
}
