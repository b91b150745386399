using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// Dials on disk in PEFT's layout: <c>adapter_config.json</c>, <c>adapter_model.safetensors</c> with the keys
/// <c>&lt;hook&gt;.scale</c> (c) and <c>&lt;hook&gt;.shift</c> (d), and <c>README.md</c>, the model card.
/// </summary>
public static class AdapterFolder
{
    /// <summary>PEFT's field for the kind of adapter.</summary>
    public const string PeftType = "PARSIMONY_DIALS";

    private const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes the folder; each file appears whole or not at all, the config last.</summary>
    /// <exception cref="ArgumentException">The metadata is of another hook point or number of latents than the dials.</exception>
    public static void Save(string folder, FeatureDials dials, AdapterMetadata metadata)
    {
        if (dials.At != metadata.At || dials.DSae != metadata.DSae) throw new ArgumentException(
            $"the metadata says {metadata.At} with {metadata.DSae} latents; the dials are for {dials.At} with {dials.DSae}.", nameof(metadata));
        using (no_grad())
        using (NewDisposeScope())
            SafetensorsFile.Write(Path.Combine(folder, WeightsName), new Dictionary<string, Tensor>
            {
                [$"{dials.At}.scale"] = dials.Scale(),
                [$"{dials.At}.shift"] = dials.Shift,
            });
        AtomicFile.WriteText(Path.Combine(folder, "README.md"), AdapterCard.Write(dials, metadata));
        AtomicFile.WriteText(Path.Combine(folder, ConfigName), Config(metadata).ToJsonString(Indented) + "\n");
    }

    /// <summary>Reads a folder, whatever model it is for; see <see cref="Load(string, string, string)"/>.</summary>
    /// <returns>The dials, owned by the caller, and what they belong to.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">The folder holds another kind of adapter, or its files do not agree.</exception>
    public static (FeatureDials Dials, AdapterMetadata Metadata) Load(string folder)
    {
        var metadata = ReadMetadata(folder);
        string path = Existing(folder, WeightsName);
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        Tensor Vector(string name)
        {
            string key = $"{metadata.At}.{name}";
            if (!file.Contains(key) || !file.Tensors[key].Shape.AsSpan().SequenceEqual([metadata.DSae])) throw new InvalidDataException(
                $"'{path}' must hold '{key}' of shape [{metadata.DSae}], as its {ConfigName} says; it holds "
                + string.Join(", ", file.Tensors.Select(t => $"'{t.Key}' [{string.Join(", ", t.Value.Shape)}]")) + ".");
            return file.Read(key, ScalarType.Float32);
        }
        return (FeatureDials.Of(metadata.At, Vector("scale"), Vector("shift")), metadata);
    }

    /// <summary>Reads a folder for a given model and SAE.</summary>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="modelSha256">SHA-256 of the model at hand.</param>
    /// <param name="saeSha256">SHA-256 of the SAE at hand.</param>
    /// <exception cref="InvalidDataException">As for the other overload, or the adapter is for another model or SAE.</exception>
    public static (FeatureDials Dials, AdapterMetadata Metadata) Load(string folder, string? modelSha256, string? saeSha256)
    {
        ReadMetadata(folder).EnsureFits(modelSha256, saeSha256);
        return Load(folder);
    }

    private static JsonObject Config(AdapterMetadata m) => new()
    {
        ["peft_type"] = PeftType,
        ["task_type"] = "CAUSAL_LM",
        ["inference_mode"] = true,
        ["base_model_name_or_path"] = m.BaseModelName,
        ["base_model_sha256"] = m.BaseModelSha256,
        ["formula"] = "relu(scale * ((x - b_dec) W_enc + b_enc) + shift)",
        ["splice_mode"] = m.Mode is SpliceMode.Replace ? "replace" : "delta",
        ["hooks"] = new JsonArray(new JsonObject
        {
            ["hook"] = m.At.ToString(),
            ["d_sae"] = m.DSae,
            ["sae_name_or_path"] = m.SaeName,
            ["sae_sha256"] = m.SaeSha256,
        }),
        ["results"] = new JsonObject(m.Results.Where(r => double.IsFinite(r.Value)).Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value))),
    };

    private static AdapterMetadata ReadMetadata(string folder)
    {
        string path = Existing(folder, ConfigName);
        try
        {
            var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            string Text(JsonObject from, string name) => (from[name] ?? throw new FormatException($"'{name}' is missing.")).GetValue<string>();
            string type = Text(config, "peft_type");
            if (type != PeftType) throw new FormatException($"peft_type is '{type}'; only '{PeftType}' can be loaded here.");
            var hooks = config["hooks"]?.AsArray() ?? throw new FormatException("'hooks' is missing.");
            if (hooks.Count != 1) throw new FormatException($"it has {hooks.Count} hooks; this version reads adapters with one.");
            var hook = hooks[0]!.AsObject();
            string mode = Text(config, "splice_mode");
            return new AdapterMetadata
            {
                BaseModelName = Text(config, "base_model_name_or_path"),
                BaseModelSha256 = Text(config, "base_model_sha256"),
                SaeName = Text(hook, "sae_name_or_path"),
                SaeSha256 = Text(hook, "sae_sha256"),
                At = HookPoint.Parse(Text(hook, "hook")),
                DSae = (hook["d_sae"] ?? throw new FormatException("'d_sae' is missing.")).GetValue<int>(),
                Mode = mode switch
                {
                    "replace" => SpliceMode.Replace,
                    "delta" => SpliceMode.Delta,
                    _ => throw new FormatException($"splice_mode is '{mode}'; it must be replace or delta."),
                },
                Results = config["results"]?.AsObject().ToDictionary(r => r.Key, r => r.Value!.GetValue<double>()) ?? [],
            };
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NullReferenceException)
        {
            throw new InvalidDataException($"'{path}' is not an adapter of this program: {e.Message}", e);
        }
    }

    private static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new FileNotFoundException(
            $"'{folder}' holds no {name}. An adapter folder has {ConfigName}, {WeightsName} and README.md.");
    }
}
