using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Exploration.Index;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Rewards.Trained;

namespace Parsimony.Reporting;

/// <summary>
/// <c>runs/&lt;name&gt;/</c>: config.json (the resolved options of every command that worked here), metrics.jsonl, checkpoint, sae/,
/// adapter/, report.json, report.html. Each command adds its part; the same command on the same folder goes on where it stopped.
/// </summary>
internal sealed class RunFolder
{
    private RunFolder(string folder) => Folder = folder;

    public string Folder { get; }
    public string Sae => Path.Combine(Folder, "sae");
    public string Index => Path.Combine(Folder, FeatureIndex.FolderName);
    public string Adapter => Path.Combine(Folder, "adapter");
    public string FineTuning => Path.Combine(Folder, "finetune");
    public string NullRun => Path.Combine(Folder, "finetune-null");
    public string Dpo => Path.Combine(Folder, "dpo");
    public string DpoNull => Path.Combine(Folder, "dpo-null");
    public string DpoAdapter => Path.Combine(Dpo, "adapter");
    public string Rlhf => Path.Combine(Folder, "rlhf");
    public string RlhfNull => Path.Combine(Folder, "rlhf-null");
    public string RewardModel => Path.Combine(Folder, RewardHeadFolder.InRunFolder);
    public string RlhfAdapter => Path.Combine(Rlhf, "adapter");
    public string Steered => Path.Combine(Folder, "steer");
    public string Metrics => Path.Combine(Folder, "metrics.jsonl");
    public string Plots => Path.Combine(Folder, "plots");
    public string EvaluationCheckpoint => Path.Combine(Folder, "evaluation.safetensors");
    public string LayerSweepCheckpoint => Path.Combine(Folder, "layer-sweep.safetensors");
    public string Html => Path.Combine(Folder, "report.html");

    /// <summary>The dials that fine-tuning learned; null: none, or a baseline.</summary>
    public string? DialsOrNull => AdapterFolder.HoldsDials(Adapter) ? Adapter : null;

    /// <summary>The adapter that was learned last, whichever command did; null: none was.</summary>
    public string? LastAdapterOrNull => new[] { Adapter, DpoAdapter, RlhfAdapter }.Where(AdapterFolder.IsOne).MaxBy(AdapterFolder.LastWrite);
    private string Config => Path.Combine(Folder, "config.json");
    private string ReportJson => Path.Combine(Folder, "report.json");

    /// <summary>The report so far; an empty one when there is none.</summary>
    public RunReport Report => File.Exists(ReportJson) ? RunReport.Load(ReportJson) : new RunReport { Version = ProgramVersion.Text };

    /// <summary>Whether there is an SAE of a run under the path.</summary>
    public static bool Contains(string path) => Directory.Exists(Path.Combine(path, "sae"));

    /// <summary>The dials of the run that are there, by the name of what learned them, and those that were saved while exploring by the names they were given.</summary>
    public IReadOnlyList<(string Name, string Folder)> Adapters() =>
    [
        .. new (string Name, string Folder)[] { ("finetune", Adapter), ("dpo", DpoAdapter), ("rlhf", RlhfAdapter) }.Where(a => AdapterFolder.HoldsDials(a.Folder)),
        .. Directory.Exists(Steered) ? Directory.GetDirectories(Steered).Where(AdapterFolder.HoldsDials).Order(StringComparer.Ordinal).Select(folder => (Path.GetFileName(folder), folder)) : [],
    ];

    /// <summary>Whether a path is a run folder, with an SAE or without.</summary>
    public static bool ContainsConfig(string path) => File.Exists(Path.Combine(path, "config.json"));

    /// <summary>Whether a training has left its state in a folder.</summary>
    public static bool IsBegun(string folder) => File.Exists(Path.Combine(folder, "checkpoint.safetensors"));

    /// <summary>The run folder that an SAE folder lies in; null where it lies in none.</summary>
    public static string? OfSae(string path) => Path.GetDirectoryName(Path.GetFullPath(path).TrimEnd(Path.DirectorySeparatorChar)) is { } parent
        && Path.GetFileName(Path.GetFullPath(path).TrimEnd(Path.DirectorySeparatorChar)) == "sae" && File.Exists(Path.Combine(parent, "config.json")) ? parent : null;

    /// <summary>Opens or makes the folder.</summary>
    public static RunFolder At(string folder)
    {
        if (File.Exists(folder)) throw new IOException($"'{folder}' is a file; a run needs a folder. Name another with --out.");
        Directory.CreateDirectory(folder);
        return new RunFolder(folder);
    }

    /// <summary>Opens a run folder that must be there.</summary>
    /// <exception cref="DirectoryNotFoundException">There is none.</exception>
    public static RunFolder Existing(string folder) => File.Exists(Path.Combine(folder, "config.json"))
        ? new RunFolder(folder)
        : throw new DirectoryNotFoundException($"'{folder}' is not a run folder (it has no config.json). Make one with 'parsimony train'.");

    /// <summary>
    /// Writes a command's options into config.json. Options that would make another result than the one begun here are refused; the device, the memory for weights and the place of an adapter that is known by its SHA-256 may be others.
    /// </summary>
    /// <param name="command">The command.</param>
    /// <param name="options">Its resolved options.</param>
    /// <param name="isBegun">Whether there is a result of it, or a part of one, that must not change under it.</param>
    /// <exception cref="InvalidDataException">The command was begun here with other options.</exception>
    public void Remember<T>(string command, T options, bool isBegun)
    {
        var all = File.Exists(Config) ? Json.ParseObject(File.ReadAllText(Config), Config) : [];
        var mine = JsonSerializer.SerializeToNode(options, Json.Options)!;
        if (isBegun && all[command] is JsonObject before && Differences(Complete<T>(before), mine, "").ToList() is { Count: > 0 } others) throw new InvalidDataException(
            $"'{Folder}' was begun with other options: {string.Join(", ", others)}. Repeat that command to go on, or name another folder with --out.");
        all[command] = mine;
        AtomicFile.WriteText(Config, all.ToJsonString(Json.Options) + "\n");
    }

    /// <summary>The options a command was last run with here; null when it was not.</summary>
    public T? Recall<T>(string command) where T : class =>
        File.Exists(Config) && Json.ParseObject(File.ReadAllText(Config), Config)[command] is JsonObject options
            ? Json.Parse<T>(options, Config) : null;

    /// <summary>Removes where an evaluation stood, once its figures are in report.json.</summary>
    public void DropEvaluationCheckpoints()
    {
        File.Delete(EvaluationCheckpoint);
        File.Delete(LayerSweepCheckpoint);
    }

    /// <summary>Adds to report.json.</summary>
    public RunReport Update(Func<RunReport, RunReport> add)
    {
        var report = add(Report) with { Version = ProgramVersion.Text, Date = DateTimeOffset.Now };
        report.Save(ReportJson);
        return report;
    }

    /// <summary>With the defaults of options that did not exist yet when it was written.</summary>
    private JsonNode Complete<T>(JsonObject options) => JsonSerializer.SerializeToNode(Json.Parse<T>(options, Config), Json.Options)!;

    private static IEnumerable<string> Differences(JsonNode? before, JsonNode? now, string name)
    {
        if (before is JsonObject a && now is JsonObject b)
            return a.Select(p => p.Key).Union(b.Select(p => p.Key)).Where(key => name.Length > 0 || !(key == "device" || (key == "adapter" && b.ContainsKey("adapter_sha256")))).Where(key => $"{name}.{key}" != "load.weight_memory").SelectMany(key => Differences(a[key], b[key], name.Length == 0 ? key : $"{name}.{key}"));
        return JsonNode.DeepEquals(before, now) ? [] : [$"{name} was {Text(before)}, is now {Text(now)}"];
    }

    private static string Text(JsonNode? value) => value?.ToJsonString(Json.Line) ?? "not set";
}
