using System.Diagnostics;

namespace Parsimony.Cli.Runs;

/// <summary>Seconds per command, as the report shows them.</summary>
internal static class Timing
{
    /// <summary>The times so far and one more; a command that is repeated replaces its own.</summary>
    public static IReadOnlyDictionary<string, double> With(this IReadOnlyDictionary<string, double>? seconds, string step, Stopwatch clock) =>
        seconds.With(step, clock.Elapsed.TotalSeconds);

    /// <summary>The same with the seconds themselves.</summary>
    public static IReadOnlyDictionary<string, double> With(this IReadOnlyDictionary<string, double>? seconds, string step, double took) =>
        new Dictionary<string, double>(seconds ?? new Dictionary<string, double>()) { [step] = Math.Round(took, 2) };
}
