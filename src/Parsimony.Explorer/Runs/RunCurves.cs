using System.Collections.Concurrent;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Runs;

/// <summary>The curves of a run's logs. A log that grows is read on from where it was left, so that a long training can be watched.</summary>
internal static class RunCurves
{
    private static readonly ConcurrentDictionary<string, (GrowingLog Log, CurvePoints Points)> Known = new();

    /// <summary>The curves of one log by their keys, of at most 300 points each; none where the run has no such log.</summary>
    /// <param name="run">The run.</param>
    /// <param name="log">train, finetune, dpo or rlhf.</param>
    /// <exception cref="FileNotFoundException">There is no log of this name.</exception>
    public static IReadOnlyDictionary<string, Curve> Of(RunView run, string log)
    {
        if (!run.Logs().TryGetValue(log, out string? path)) throw new FileNotFoundException($"a run has no log '{log}'; it has {string.Join(", ", run.Logs().Keys)}.");
        var (lines, points) = Known.GetOrAdd(path, _ => (new GrowingLog(path), new CurvePoints()));
        lock (points)
        {
            foreach (var (_, line) in lines.ReadOn(points.Clear)) points.Add(line);
            return points.Curves();
        }
    }
}
