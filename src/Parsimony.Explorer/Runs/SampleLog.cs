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

    private readonly SortedDictionary<long, List<(long Offset, int Length)>> lines = [];
    private long read;

    /// <summary>Steps that have samples, ascending.</summary>
    /// <param name="path">A samples.jsonl; none has no steps.</param>
    public static IReadOnlyList<long> Steps(string path)
    {
        var log = Known.GetOrAdd(path, _ => new SampleLog());
        lock (log)
        {
            log.ReadOn(path);
            return [.. log.lines.Keys];
        }
    }

    /// <summary>The samples of a step; none where it has none.</summary>
    public static IReadOnlyList<PolicySample> Of(string path, long step)
    {
        var log = Known.GetOrAdd(path, _ => new SampleLog());
        lock (log)
        {
            log.ReadOn(path);
            if (!log.lines.TryGetValue(step, out var its)) return [];
            using var file = Open(path);
            return [.. its.Select(line =>
            {
                var bytes = new byte[line.Length];
                file.Position = line.Offset;
                file.ReadExactly(bytes);
                return Json.Parse<PolicySample>(Encoding.UTF8.GetString(bytes), path);
            })];
        }
    }

    private void ReadOn(string path)
    {
        long length = File.Exists(path) ? new FileInfo(path).Length : 0;
        if (length < read)                                          // begun anew, or gone on from an earlier step
        {
            read = 0;
            lines.Clear();
        }
        if (length == read) return;
        using var file = Open(path);
        var bytes = new byte[length - read];
        file.Position = read;
        file.ReadExactly(bytes);
        int start = 0;
        for (int end; (end = Array.IndexOf(bytes, (byte)'\n', start)) >= 0; start = end + 1)
            if (StepOf(bytes.AsSpan(start, end - start)) is { } step)
            {
                if (!lines.TryGetValue(step, out var its)) lines[step] = its = [];
                its.Add((read + start, end - start));
            }
        read += start;                                              // what is behind it is being written
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

    private static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
}
