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

    /// <summary>The folder's name.</summary>
    public string Name => Path.GetFileName(folder);

    internal RunFolder Files { get; } = RunFolder.At(folder);

    /// <summary>The options of every command that worked here; empty where there are none, or the file is damaged.</summary>
    public JsonObject Config => Read("config.json", path => Json.ParseObject(File.ReadAllText(path), path)) ?? [];

    /// <summary>What was found out so far; null where there is no report, or one of another version, which <see cref="ReportFault"/> says.</summary>
    public RunReport? Report => Read("report.json", RunReport.Load);

    /// <summary>Why there is no report; null where there is one.</summary>
    public string? ReportFault
    {
        get
        {
            string path = Path.Combine(folder, "report.json");
            if (!File.Exists(path)) return "nothing was evaluated yet: 'parsimony evaluate' and 'parsimony report' do that.";
            try
            {
                RunReport.Load(path);
                return null;
            }
            catch (Exception e) when (e is IOException or InvalidDataException)
            {
                return e.Message;
            }
        }
    }

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

    private T? Read<T>(string file, Func<string, T> read) where T : class
    {
        string path = Path.Combine(folder, file);
        try
        {
            return File.Exists(path) ? read(path) : null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return null;
        }
    }
}
