using System.Text.Json.Nodes;
using Parsimony.Autoencoders.Formats;
using Parsimony.Files;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Runs;

/// <summary>A run folder as pages show it. Everything is read when it is asked for: a run may be under way.</summary>
/// <param name="folder">The folder.</param>
public sealed class RunView(string folder)
{
    /// <summary>A run counts as under way when something was logged within this time.</summary>
    public static readonly TimeSpan StillRunning = TimeSpan.FromSeconds(60);

    private (DateTime Written, string Sha256)? sae;
    private Reading? reading;

    /// <summary>The folder's name.</summary>
    public string Name => Path.GetFileName(folder);

    internal RunFolder Files { get; } = RunFolder.At(folder);

    /// <summary>The options of every command that worked here; empty where there are none, or the file is damaged.</summary>
    public JsonObject Config => Read(Path.Combine(folder, "config.json"), path => Json.ParseObject(File.ReadAllText(path), path), out _) ?? [];

    /// <summary>What was found out so far; null where there is no report, or one of another version, which <see cref="ReportFault"/> says.</summary>
    public RunReport? Report => Latest().Report;

    /// <summary>Why there is no report; null where there is one.</summary>
    public string? ReportFault => Latest().Fault;

    /// <summary>When something was last logged.</summary>
    public DateTime Changed => Logs().Values.Append(Path.Combine(folder, "config.json")).Where(File.Exists).Select(File.GetLastWriteTimeUtc).DefaultIfEmpty().Max();

    /// <summary>Whether something is being learned right now, as far as its logs tell.</summary>
    public bool IsRunning => Logs().Values.Where(File.Exists).Any(log => DateTime.UtcNow - File.GetLastWriteTimeUtc(log) < StillRunning);

    /// <summary>SHA-256 of the SAE's weights; null where there is none.</summary>
    public string? SaeSha256
    {
        get
        {
            string weights = Path.Combine(Files.Sae, "sae_weights.safetensors");
            if (!File.Exists(weights)) return null;
            var written = File.GetLastWriteTimeUtc(weights);
            if (sae is { } known && known.Written == written) return known.Sha256;
            sae = (written, SaeFiles.Sha256(Files.Sae));
            return sae.Value.Sha256;
        }
    }

    /// <summary>The logs of what was learned here, by its name: <c>train, finetune, dpo, rlhf</c>.</summary>
    public IReadOnlyDictionary<string, string> Logs() => new Dictionary<string, string>
    {
        ["train"] = Files.Metrics,
        ["finetune"] = Path.Combine(Files.FineTuning, "metrics.jsonl"),
        ["dpo"] = Path.Combine(Files.Dpo, "metrics.jsonl"),
        ["rlhf"] = Path.Combine(Files.Rlhf, "metrics.jsonl"),
    };

    // A page asks for the report many times: it is read again only when it was written again.
    private Reading Latest()
    {
        string path = Path.Combine(folder, "report.json");
        var written = File.GetLastWriteTimeUtc(path);
        if (reading is { } known && known.Written == written) return known;
        var report = Read(path, RunReport.Load, out string? fault);
        return reading = new(written, report, report is not null ? null : fault ?? "nothing was evaluated yet: 'parsimony evaluate' and 'parsimony report' do that.");
    }

    private static T? Read<T>(string path, Func<string, T> read, out string? fault) where T : class
    {
        fault = null;
        try
        {
            return File.Exists(path) ? read(path) : null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            fault = e.Message;
            return null;
        }
    }

    private sealed record Reading(DateTime Written, RunReport? Report, string? Fault);
}
