using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Parsimony.Files;
using Parsimony.FineTuning.Policy;

namespace Parsimony.Explorer.Runs;

/// <summary>The continuations that a learning from rewards has logged, step by step. Where each step's lines lie is known; the lines themselves are read when they are asked for.</summary>
internal sealed class SampleLog
{
    private static readonly ConcurrentDictionary<string, SampleLog> Known = new();

    private readonly GrowingLog log;
    private readonly SortedDictionary<long, List<(long Offset, int Length)>> lines = [];

    private SampleLog(string path) => log = new GrowingLog(path);

    /// <summary>Steps that have samples, ascending.</summary>
    /// <param name="path">A samples.jsonl; none has no steps.</param>
    public static IReadOnlyList<long> Steps(string path)
    {
        var its = Known.GetOrAdd(path, path => new SampleLog(path));
        lock (its)
        {
            its.ReadOn();
            return [.. its.lines.Keys];
        }
    }

    /// <summary>The samples of a step; none where it has none.</summary>
    public static IReadOnlyList<PolicySample> Of(string path, long step)
    {
        var its = Known.GetOrAdd(path, path => new SampleLog(path));
        lock (its)
        {
            its.ReadOn();
            return its.lines.TryGetValue(step, out var at) ? [.. at.Select(line => Json.Parse<PolicySample>(Encoding.UTF8.GetString(its.log.Read(line.Offset, line.Length)), path))] : [];
        }
    }

    private void ReadOn()
    {
        foreach (var (offset, line) in log.ReadOn(lines.Clear))
            if (StepOf(line.Span) is { } step)
            {
                if (!lines.TryGetValue(step, out var its)) lines[step] = its = [];
                its.Add((offset, line.Length));
            }
    }

    private static long? StepOf(ReadOnlySpan<byte> line)
    {
        try
        {
            var reader = new Utf8JsonReader(line);
            while (reader.Read())
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("step"u8) && reader.Read() && reader.TryGetInt64(out long step)) return step;
        }
        catch (JsonException)
        {
            // A run that was killed may leave half a line.
        }
        return null;
    }
}
