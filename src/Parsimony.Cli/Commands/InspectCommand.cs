using System.CommandLine;
using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony inspect PATH</c>: what a model, SAE, adapter or weights file holds.</summary>
internal static class InspectCommand
{
    private static readonly StringComparer NumbersInOrder =
        StringComparer.Create(CultureInfo.InvariantCulture, CompareOptions.NumericOrdering);

    private sealed record Options
    {
        [Positional]
        [Description("folder of a model, an SAE or an adapter, or a .safetensors file")]
        public required string Path { get; init; }
    }

    private sealed record TensorFact(string Name, string Type, long[] Shape, long Parameters);

    private sealed record Inspection
    {
        public required string Kind { get; init; }
        public required string Path { get; init; }
        public string? Hook { get; init; }
        public string? Problem { get; init; }
        public required long Parameters { get; init; }
        public required long Bytes { get; init; }
        public required string Sha256 { get; init; }
        public JsonObject? Config { get; init; }
        public required IReadOnlyDictionary<string, string> FileMetadata { get; init; }
        public required TensorFact[] Tensors { get; init; }
    }

    /// <summary>The command.</summary>
    public static Command Create() => CliCommand.Create<Options>(
        "inspect", "Shows what a model, an SAE, an adapter or a .safetensors file holds.", Run,
        ["parsimony inspect assets/demo", "parsimony inspect runs/demo/sae --json"]);

    private static Inspection Run(Options options, Terminal terminal)
    {
        var inspection = Directory.Exists(options.Path) ? InspectFolder(options.Path)
            : File.Exists(options.Path) ? Inspect("weights file", options.Path, [options.Path], null)
            : throw new FileNotFoundException($"'{options.Path}' does not exist; expected a folder or a .safetensors file.");
        if (!terminal.Json) Print(inspection, terminal);
        return inspection;
    }

    private static Inspection InspectFolder(string folder)
    {
        string? At(string name) => File.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name) : null;
        if (At("cfg.json") is { } sae && At("sae_weights.safetensors") is { } saeWeights)
            return Inspect("SAE", folder, [saeWeights], sae);
        if (At("adapter_config.json") is { } adapter && At("adapter_model.safetensors") is { } dials)
            return Inspect("adapter", folder, [dials], adapter);
        if (At("config.json") is { } model && (At("model.safetensors") ?? At("model.safetensors.index.json")) is not null)
        {
            using var weights = SafetensorsFolder.Open(folder); // checks the index against the shards
            return Inspect("model", folder, [.. weights.Paths], model) with { Problem = ModelProblem(folder) };
        }
        throw new InvalidDataException($"'{folder}' is none of: a model (config.json and model.safetensors or its index), an SAE "
            + "(cfg.json and sae_weights.safetensors), an adapter (adapter_config.json and adapter_model.safetensors).");
    }

    private static Inspection Inspect(string kind, string path, string[] weights, string? configPath)
    {
        var config = configPath is null ? null : Json.ParseObject(File.ReadAllText(configPath), configPath);
        var tensors = new List<TensorFact>();
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        long bytes = 0;
        foreach (string file in weights)
        {
            using var safetensors = SafetensorsFile.Open(file);
            tensors.AddRange(safetensors.Tensors.Select(t =>
                new TensorFact(t.Key, SafetensorsType.Name(t.Value.Type), t.Value.Shape, t.Value.Bytes / SafetensorsType.Size(t.Value.Type))));
            foreach (var (key, value) in safetensors.Metadata) metadata[key] = value;
            bytes += new FileInfo(file).Length;
        }
        return new Inspection
        {
            Kind = kind,
            Path = path,
            Config = config,
            Hook = Hook(config),
            FileMetadata = metadata,
            Bytes = bytes,
            Sha256 = FileHash.Sha256(weights),
            Parameters = tensors.Sum(t => t.Parameters),
            Tensors = [.. tensors.OrderBy(t => t.Name, NumbersInOrder)],
        };
    }

    /// <summary>Where an SAE or adapter sits, under either name that a config gives it.</summary>
    private static string? Hook(JsonObject? config) =>
        new[] { config?["metadata"]?["hook_name"], config?["hook_name"], (config?["hooks"] as JsonArray)?[0]?["hook"] }
            .OfType<JsonValue>().FirstOrDefault()?.ToString();

    private static string? ModelProblem(string folder)
    {
        try
        {
            _ = GptNeoXConfig.Load(folder);
            return null;
        }
        catch (InvalidDataException e)
        {
            return e.Message;
        }
    }

    private static void Print(Inspection inspection, Terminal terminal)
    {
        terminal.Facts(new Dictionary<string, object?>
        {
            ["kind"] = inspection.Kind,
            ["path"] = inspection.Path,
            ["parameters"] = inspection.Parameters.ToString("N0"),
            ["bytes"] = inspection.Bytes.ToString("N0"),
            ["sha256"] = inspection.Sha256,
        });
        if (inspection.Hook is not null) terminal.Say($"hook        {inspection.Hook}");
        if (inspection.Problem is not null) terminal.Say($"problem     {inspection.Problem}");
        if (inspection.Config is { Count: > 0 } config)
        {
            terminal.Say("");
            terminal.Facts(config.Select(c => KeyValuePair.Create(c.Key, (object?)c.Value?.ToJsonString(Json.Line))));
        }
        terminal.Table(["tensor", "type", "shape", "parameters#"],
            inspection.Tensors.Select(t => new[] { t.Name, t.Type, $"[{string.Join(", ", t.Shape)}]", t.Parameters.ToString("N0") }));
    }
}
