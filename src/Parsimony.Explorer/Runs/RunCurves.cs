using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Runs;

/// <summary>The curves of a run's logs. A log that grows is read on from where it was left, so that a long training can be watched.</summary>
internal sealed class RunCurves
{
    private static readonly ConcurrentDictionary<string, RunCurves> Known = new();

    private readonly Dictionary<string, SortedDictionary<double, double>> points = [];
    private long read;

    /// <summary>The curves of one log by their keys, of at most 300 points each; none where the run has no such log.</summary>
    /// <param name="run">The run.</param>
    /// <param name="log">train, finetune, dpo or rlhf.</param>
    /// <exception cref="FileNotFoundException">There is no log of this name.</exception>
    public static IReadOnlyDictionary<string, Curve> Of(RunView run, string log)
    {
        if (!run.Logs().TryGetValue(log, out string? path)) throw new FileNotFoundException($"a run has no log '{log}'; it has {string.Join(", ", run.Logs().Keys)}.");
        var curves = Known.GetOrAdd(path, _ => new RunCurves());
        lock (curves)
        {
            curves.ReadOn(path);
            return curves.points.Where(p => p.Value.Count > 1).ToDictionary(p => p.Key, p => Curve.Thin([.. p.Value.Keys], [.. p.Value.Values]));
        }
    }

    private void ReadOn(string path)
    {
        if (!File.Exists(path))
        {
            read = 0;
            points.Clear();
            return;
        }
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.Length < read)                                     // begun anew
        {
            read = 0;
            points.Clear();
        }
        file.Seek(read, SeekOrigin.Begin);
        var bytes = new byte[file.Length - read];
        file.ReadExactly(bytes);
        int end = Array.LastIndexOf(bytes, (byte)'\n') + 1;         // what is behind it is being written
        read += end;
        foreach (var line in Encoding.UTF8.GetString(bytes, 0, end).Split('\n', StringSplitOptions.RemoveEmptyEntries)) Collect(line);
    }

    private void Collect(string line)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("step", out var step) || step.ValueKind != JsonValueKind.Number) return;
            double at = step.GetDouble();
            foreach (var value in json.RootElement.EnumerateObject())
            {
                if (value.Name is "step" or "steps" || value.Value.ValueKind != JsonValueKind.Number) continue;
                if (!points.TryGetValue(value.Name, out var series)) points[value.Name] = series = [];
                series[at] = value.Value.GetDouble();
            }
        }
        catch (JsonException)
        {
            // A run that was killed may leave half a line.
        }
    }
}
