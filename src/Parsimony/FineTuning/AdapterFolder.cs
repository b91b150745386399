using System.Security.Cryptography;
using System.Text;
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

    internal const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Writes the folder; each file appears whole or not at all, the config last.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="dials">One for each hook of the metadata, in its order.</param>
    /// <param name="metadata">What they belong to.</param>
    /// <exception cref="ArgumentException">The metadata is of other hook points or numbers of latents than the dials.</exception>
    public static void Save(string folder, IReadOnlyList<FeatureDials> dials, AdapterMetadata metadata)
    {
        if (!dials.Select(d => (d.At, d.DSae)).SequenceEqual(metadata.Hooks.Select(h => (h.At, h.DSae)))) throw new ArgumentException(
            $"the metadata says {string.Join(", ", metadata.Hooks.Select(h => $"{h.At} with {h.DSae} latents"))}; the dials are for "
            + $"{string.Join(", ", dials.Select(d => $"{d.At} with {d.DSae}"))}.", nameof(metadata));
        using (no_grad())
        using (NewDisposeScope())
            SafetensorsFile.Write(Path.Combine(folder, WeightsName), dials.SelectMany(d => new Dictionary<string, Tensor>
            {
                [$"{d.At}.scale"] = d.Scale().cpu(),
                [$"{d.At}.shift"] = d.Shift().cpu(),
            }));
        AtomicFile.WriteText(Path.Combine(folder, "README.md"), AdapterCard.Write(dials, metadata));
        AtomicFile.WriteText(Path.Combine(folder, ConfigName), Config(metadata).ToJsonString(Indented) + "\n");
    }

    /// <summary>Reads a folder, whatever model it is for; see <see cref="AdapterMetadata.EnsureFits"/>.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="device">Where the dials go; null: the processor.</param>
    /// <returns>The dials of each hook point, owned by the caller, and what they belong to.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">The folder holds another kind of adapter, or its files do not agree.</exception>
    public static (IReadOnlyList<FeatureDials> Dials, AdapterMetadata Metadata) Load(string folder, Device? device = null)
    {
        var metadata = Metadata(folder);
        string path = Existing(folder, WeightsName);
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(path);
        Tensor Vector(AdapterHook hook, string name)
        {
            string key = $"{hook.At}.{name}";
            if (!file.Contains(key) || !file.Tensors[key].Shape.AsSpan().SequenceEqual([hook.DSae])) throw new InvalidDataException(
                $"'{path}' must hold '{key}' of shape [{hook.DSae}], as its {ConfigName} says; it holds "
                + string.Join(", ", file.Tensors.Select(t => $"'{t.Key}' [{string.Join(", ", t.Value.Shape)}]")) + ".");
            return file.Read(key, ScalarType.Float32).to(device ?? CPU);
        }
        return ([.. metadata.Hooks.Select(hook => FeatureDials.Of(hook.At, Vector(hook, "scale"), Vector(hook, "shift")))], metadata);
    }

    /// <summary>Whether a folder holds an adapter.</summary>
    public static bool IsOne(string folder) => File.Exists(Path.Combine(folder, ConfigName));

    /// <summary>Whether a folder holds dials, and not a baseline.</summary>
    public static bool HoldsDials(string folder) => IsOne(folder) && Type(folder) == PeftType;

    /// <summary>What kind of adapter a folder holds, in PEFT's word.</summary>
    /// <exception cref="FileNotFoundException">It holds none.</exception>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    internal static string Type(string folder)
    {
        string path = Existing(folder, ConfigName);
        return Json.ParseObject(File.ReadAllText(path), path)["peft_type"]?.ToString() ?? throw new InvalidDataException($"'{path}' is not an adapter's: 'peft_type' is missing.");
    }

    /// <summary>When its adapter was written, UTC.</summary>
    public static DateTime LastWrite(string folder) => File.GetLastWriteTimeUtc(Path.Combine(folder, ConfigName));

    /// <summary>SHA-256 of what an adapter does, lower-case hex: of its numbers and of its config without figures and places, so that it is the same wherever the folder and its SAEs lie.</summary>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public static string Sha256(string folder)
    {
        string path = Existing(folder, ConfigName);
        var config = Json.ParseObject(File.ReadAllText(path), path);
        foreach (string place in (string[])["results", "base_model_name_or_path"]) config.Remove(place);
        foreach (var hook in config["hooks"] as JsonArray ?? []) (hook as JsonObject)?.Remove("sae_name_or_path");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(config.ToJsonString() + FileHash.Sha256(Existing(folder, WeightsName)))));
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
        ["positions"] = m.Positions.ToString().ToLowerInvariant(),
        ["hooks"] = new JsonArray([.. m.Hooks.Select(h => new JsonObject
        {
            ["hook"] = h.At.ToString(),
            ["d_sae"] = h.DSae,
            ["sae_name_or_path"] = h.SaeName,
            ["sae_sha256"] = h.SaeSha256,
        })]),
        ["results"] = new JsonObject(m.Results.Where(r => double.IsFinite(r.Value)).Select(r => KeyValuePair.Create(r.Key, (JsonNode?)r.Value))),
    };

    /// <summary>Reads what a folder's dials belong to.</summary>
    /// <exception cref="FileNotFoundException">The config is missing.</exception>
    /// <exception cref="InvalidDataException">The folder holds another kind of adapter.</exception>
    public static AdapterMetadata Metadata(string folder)
    {
        string path = Existing(folder, ConfigName);
        try
        {
            var config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
            string Text(JsonObject from, string name) => (from[name] ?? throw new FormatException($"'{name}' is missing.")).GetValue<string>();
            string type = Text(config, "peft_type");
            if (type != PeftType) throw new FormatException($"peft_type is '{type}'; only '{PeftType}' can be loaded here.");
            var hooks = config["hooks"]?.AsArray() ?? throw new FormatException("'hooks' is missing.");
            if (hooks.Count == 0) throw new FormatException("'hooks' is empty.");
            string mode = Text(config, "splice_mode"), positions = config["positions"]?.GetValue<string>() ?? "all";
            return new AdapterMetadata
            {
                BaseModelName = Text(config, "base_model_name_or_path"),
                BaseModelSha256 = Text(config, "base_model_sha256"),
                Hooks = [.. hooks.Select(h => h!.AsObject()).Select(h => new AdapterHook(HookPoint.Parse(Text(h, "hook")),
                    (h["d_sae"] ?? throw new FormatException("'d_sae' is missing.")).GetValue<int>(), Text(h, "sae_name_or_path"), Text(h, "sae_sha256")))],
                Mode = mode switch
                {
                    "replace" => SpliceMode.Replace,
                    "delta" => SpliceMode.Delta,
                    _ => throw new FormatException($"splice_mode is '{mode}'; it must be replace or delta."),
                },
                Positions = positions switch
                {
                    "all" => TokenPositions.All,
                    "prompt" => TokenPositions.Prompt,
                    "response" => TokenPositions.Response,
                    _ => throw new FormatException($"positions is '{positions}'; it must be all, prompt or response."),
                },
                Results = config["results"]?.AsObject().ToDictionary(r => r.Key, r => r.Value!.GetValue<double>()) ?? [],
            };
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or NullReferenceException)
        {
            throw new InvalidDataException($"'{path}' is not an adapter of this program: {e.Message}", e);
        }
    }

    internal static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new FileNotFoundException(
            $"'{folder}' holds no {name}. An adapter folder has {ConfigName}, {WeightsName} and README.md.");
    }
}
