using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Baselines;

/// <summary>What a baseline belongs to.</summary>
/// <param name="BaseModelName">Name or folder of the base model.</param>
/// <param name="BaseModelSha256">SHA-256 of its weights (<see cref="Transformer.Sha256"/>), lower-case hex.</param>
/// <param name="Results">Figures for the model card, by name; may be empty.</param>
public sealed record BaselineMetadata(string BaseModelName, string BaseModelSha256, IReadOnlyDictionary<string, double> Results);

/// <summary>
/// Baselines on disk in PEFT's layout, as <see cref="AdapterFolder"/> keeps dials. LoRA and IA3 have PEFT's own names (<c>peft_type</c> LORA, IA3), so that PEFT loads them, too; what it has no
/// word for has one of this program's: PARSIMONY_BIAS, _NEURONS, _STEERING, _FULL, and _LORA or _IA3 where they act at some positions only.
/// </summary>
/// <remarks>What PEFT does not know of its own kinds, the base model's SHA-256 among it, is under <c>parsimony</c> in the metadata of <c>adapter_model.safetensors</c>, for older versions refuse a config
/// with fields that they do not know; of the others it is in the config.</remarks>
public static class BaselineFolder
{
    private const string OwnPrefix = "PARSIMONY_", FactsKey = "parsimony", ResultsName = "results.json";

    private sealed record Facts(string BaseModelSha256, BaselineShape Shape);

    /// <summary>Whether a folder holds a baseline, and not dials.</summary>
    /// <exception cref="FileNotFoundException">There is no adapter.</exception>
    /// <exception cref="InvalidDataException">Its config is damaged.</exception>
    public static bool IsOne(string folder) => AdapterFolder.Type(folder) != AdapterFolder.PeftType;

    /// <summary>Writes the folder; each file appears whole or not at all, the config last.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="adapter">The baseline: lora, ia3, bias, neurons, steering or full.</param>
    /// <param name="config">Shape of its model.</param>
    /// <param name="metadata">What it belongs to.</param>
    /// <exception cref="ArgumentException">It is no baseline.</exception>
    public static void Save(string folder, IAdapter adapter, IModelConfig config, BaselineMetadata metadata)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var facts = new Facts(metadata.BaseModelSha256, BaselineShape.Of(adapter));
        bool inPeft = PeftLayout.Holds(adapter, config);
        var written = inPeft ? PeftLayout.Config(adapter, config) : new JsonObject { ["peft_type"] = OwnPrefix + adapter.Method.ToUpperInvariant() };
        (written["task_type"], written["inference_mode"], written["base_model_name_or_path"]) = ("CAUSAL_LM", true, metadata.BaseModelName);
        var named = new Dictionary<string, string> { ["format"] = "pt" };
        if (inPeft) named[FactsKey] = Json.WriteLine(facts);
        else written[FactsKey] = JsonSerializer.SerializeToNode(facts, Json.Options);
        SafetensorsFile.Write(Path.Combine(folder, AdapterFolder.WeightsName), (inPeft ? PeftLayout.Tensors(adapter, config) : Own(adapter))
            .Select(t => KeyValuePair.Create(t.Key, t.Value.detach().cpu().contiguous())), named);
        Json.Save(Path.Combine(folder, ResultsName), metadata.Results.Where(r => double.IsFinite(r.Value)).ToDictionary());
        AtomicFile.WriteText(Path.Combine(folder, "README.md"), BaselineCard.Write(adapter, metadata, inPeft));
        AtomicFile.WriteText(Path.Combine(folder, AdapterFolder.ConfigName), written.ToJsonString(Json.Options) + "\n");
    }

    /// <summary>Reads a folder for the model that it was learnt on.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="model">The model; not owned.</param>
    /// <returns>The baseline, bit for bit what was saved in all that it does; the caller's.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">It was learnt on another model, or its files are damaged or do not agree.</exception>
    public static IAdapter Load(string folder, Transformer model)
    {
        string type = AdapterFolder.Type(folder);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(AdapterFolder.Existing(folder, AdapterFolder.WeightsName));
        var (config, facts) = Read(folder, file);
        AdapterMetadata.EnsureModel(facts.BaseModelSha256, config["base_model_name_or_path"]?.ToString() ?? "unknown", model.Sha256);
        IAdapter adapter;
        try
        {
            adapter = facts.Shape.Create(model);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"'{folder}' does not fit this model: {e.Message}", e);
        }
        try
        {
            Tensor Numbers(string key, long count)
            {
                if (!file.Contains(key) || file.Tensors[key].Shape.Aggregate(1L, (a, b) => a * b) != count) throw new InvalidDataException(
                    $"'{folder}' must hold '{key}' with {count} numbers, as its {AdapterFolder.ConfigName} says; it holds "
                    + string.Join(", ", file.Tensors.Select(t => $"'{t.Key}' [{string.Join(", ", t.Value.Shape)}]")) + ".");
                return file.Read(key, ScalarType.Float32).to(model.Device);
            }
            if (!type.StartsWith(OwnPrefix, StringComparison.Ordinal)) PeftLayout.Fill(adapter, model.Config, Numbers);
            else foreach (var (name, numbers) in adapter.Parameters) numbers.copy_(Numbers(name, numbers.numel()).view(numbers.shape));
            if (adapter is NeuronAdapter neurons)
                foreach (int layer in neurons.Layers)
                    if (!Numbers(Chosen(layer), neurons.Neurons).data<float>().Select(n => (int)n).SequenceEqual(neurons.NeuronsOf(layer))) throw new InvalidDataException(
                        $"'{folder}' has dials for other neurons of layer {layer} than its seed chooses here. Learn it anew.");
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>Its figures, by name; none where the file is not there.</summary>
    public static IReadOnlyDictionary<string, double> Results(string folder) =>
        Path.Combine(folder, ResultsName) is var path && File.Exists(path) ? Json.Load<Dictionary<string, double>>(path) : [];

    /// <summary>Its numbers under its own names, in the caller's scope; of neurons also which they are.</summary>
    private static Dictionary<string, Tensor> Own(IAdapter adapter)
    {
        var all = new Dictionary<string, Tensor>(adapter.Parameters);
        if (adapter is NeuronAdapter neurons) foreach (int layer in neurons.Layers) all[Chosen(layer)] = tensor(neurons.NeuronsOf(layer).ToArray(), ScalarType.Int32);
        return all;
    }

    private static string Chosen(int layer) => $"{new HookPoint(layer, HookSite.MlpPre)}.neurons";

    private static (JsonObject Config, Facts Facts) Read(string folder, SafetensorsFile file)
    {
        string path = AdapterFolder.Existing(folder, AdapterFolder.ConfigName);
        var config = Json.ParseObject(File.ReadAllText(path), path);
        var facts = config[FactsKey] as JsonObject ?? (file.Metadata.TryGetValue(FactsKey, out string? line) ? Json.ParseObject(line, path) : throw new InvalidDataException(
            $"'{folder}' does not say by a SHA-256 which model it belongs to, so it was not written by this program. Learn one here."));
        return (config, Json.Parse<Facts>(facts, path));
    }
}
