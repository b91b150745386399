using System.CommandLine;
using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Nodes;
using Parsimony.Autoencoders.Formats;
using Parsimony.Cli.Runs;
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
        [Description("folder of a model, an SAE or an adapter, or a .safetensors, .pt, .npz or .npy file")]
        public required string Path { get; init; }
    }

    private sealed record Inspection
    {
        public required string Kind { get; init; }
        public required string Path { get; init; }
        public SaeFormat? Format { get; init; }
        public string? Architecture { get; init; }
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
        "inspect", "Shows what a model, an SAE, an adapter or a file of tensors holds.", Run,
        ["parsimony inspect assets/demo", "parsimony inspect runs/demo/sae --json", "parsimony inspect ae.pt"]);

    private static Inspection Run(Options options, Terminal terminal)
    {
        var inspection = SaeFiles.Sniff(options.Path) is { } format ? InspectSae(options.Path, format)
            : Directory.Exists(options.Path) ? InspectFolder(options.Path)
            : File.Exists(options.Path) ? Inspect("weights file", options.Path, [options.Path], null)
            : throw new FileNotFoundException($"'{options.Path}' does not exist; expected a folder or a file of tensors.");
        if (!terminal.Json) Print(inspection, terminal);
        return inspection;
    }

    private static Inspection InspectFolder(string folder)
    {
        string? At(string name) => File.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name) : null;
        if (At("adapter_config.json") is { } adapter && At("adapter_model.safetensors") is { } dials)
            return Inspect("adapter", folder, [dials], adapter);
        string? model = At("config.json"), weights = At("model.safetensors") ?? At("model.safetensors.index.json") ?? At("pytorch_model.bin") ?? At("pytorch_model.bin.index.json");
        if (model is not null && weights is not null || Llama2cFile.FindIn(folder) is not null)
            return Inspect("model", folder, [.. ModelWeights.Paths(folder)], model) with { Problem = ModelProblem(folder) };
        throw new InvalidDataException($"'{folder}' is none of: a model (config.json and model.safetensors, pytorch_model.bin or their index), an SAE "
            + "(cfg.json and sae_weights.safetensors, or ae.pt, sae.safetensors, params.npz), an adapter (adapter_config.json and adapter_model.safetensors).");
    }

    private static Inspection InspectSae(string path, SaeFormat format)
    {
        string weights = SaeFiles.WeightsPath(path);
        string? Beside(string name) => Directory.Exists(path) && File.Exists(Path.Combine(path, name)) ? Path.Combine(path, name) : null;
        string? config = Beside("cfg.json") ?? Beside("config.json");
        var inspection = Inspect("SAE", path, [weights], config) with { Format = format };
        try
        {
            using var stored = SaeFiles.Load(path);
            return inspection with
            {
                Architecture = stored.Sae.Architecture,
                Hook = inspection.Hook ?? stored.Hook?.ToString() ?? stored.HookName,
                Problem = stored.Normalisation == StoredSae.Unnormalised ? null
                    : $"its input must be normalised ({stored.Normalisation}), which is not done here; it can be converted",
            };
        }
        catch (InvalidDataException e)
        {
            return inspection with { Problem = e.Message };
        }
    }

    private static Inspection Inspect(string kind, string path, string[] weights, string? configPath)
    {
        var config = configPath is null ? null : Json.ParseObject(File.ReadAllText(configPath), configPath);
        var (tensors, metadata) = (new List<TensorFact>(), new Dictionary<string, string>(StringComparer.Ordinal));
        foreach (string file in weights) TensorFacts.Add(file, tensors, metadata);
        return new Inspection
        {
            Kind = kind,
            Path = path,
            Config = config,
            Hook = Hook(config),
            FileMetadata = metadata,
            Bytes = weights.Sum(file => new FileInfo(file).Length),
            Sha256 = KnownHashes.OfUser(weights),
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
            _ = ModelConfig.Load(folder);
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
        if (inspection.Format is { } format)
            terminal.Say($"format      {System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName($"{format}")}, {inspection.Architecture ?? "of unknown architecture"}");
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
