using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Parsimony.Text;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A program that is written lines to and whose lines are read, none of which can make the caller wait for ever.</summary>
internal sealed class LineProcess : IDisposable
{
    private const int LongestLine = 1 << 24, LinesAhead = 4096, ErrorLines = 8;
    private readonly Process process;
    private readonly BlockingCollection<string> lines = new(LinesAhead);    // full: the program waits
    private readonly Queue<string> errors = new();
    private readonly Task reading, readingErrors;
    private readonly Lock writing = new();
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Starts it.</summary>
    /// <exception cref="InvalidOperationException">It cannot be started.</exception>
    public LineProcess(string command, IEnumerable<string> arguments)
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        var start = new ProcessStartInfo(command, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = utf8,
            StandardOutputEncoding = utf8,
            StandardErrorEncoding = utf8,
            UseShellExecute = false,
        };
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"'{command}' cannot be started: {e.Message}. Give a program that is there and may be run, or its full path.", e);
        }
        // Threads of their own: they wait on pipes for as long as the program lives.
        reading = Task.Factory.StartNew(Read, TaskCreationOptions.LongRunning);
        readingErrors = Task.Factory.StartNew(ReadErrors, TaskCreationOptions.LongRunning);
    }

    /// <summary>Whether it has nothing more to say: it ended, or closed its output.</summary>
    public bool Ended => lines.IsCompleted;

    /// <summary>That it wrote a line without an end, which nobody waits for; null: it did not.</summary>
    public string? Endless { get; private set; }

    /// <summary>Begins to write lines; a program that does not read them holds up only this task, until it is killed.</summary>
    public Task Write(IReadOnlyList<string> all) => Task.Factory.StartNew(
        () =>
        {
            try
            {
                lock (writing)
                {
                    foreach (string line in all) process.StandardInput.Write(line + "\n");
                    process.StandardInput.Flush();
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // It ended or was killed: that shows at its output, with more to say about it.
            }
        },
        TaskCreationOptions.LongRunning);

    /// <summary>The next line; null where there was none in time, or none is left.</summary>
    public string? Next(TimeSpan wait, CancellationToken cancellation)
    {
        try
        {
            return lines.TryTake(out string? line, (int)Math.Clamp(wait.TotalMilliseconds, 0, int.MaxValue), cancellation) ? line : null;
        }
        catch (InvalidOperationException)
        {
            return null; // completed while waiting
        }
    }

    /// <summary>Kills the program and all it started, and says what is known of it: its exit code if it had ended by itself, its last error lines.</summary>
    public string EndAndTell()
    {
        // The end of its output is seen a little before its exit code is.
        bool byItself = process.WaitForExit(Ended ? 2000 : 0);
        string code = byItself ? $"its exit code was {process.ExitCode}" : "it was killed";
        process.Kill(entireProcessTree: true);
        readingErrors.Wait(1000);   // a program's own child may hold the pipe open
        lock (errors) return errors.Count == 0 ? $"{code}, it wrote no error" : $"{code}, its last error lines: {string.Join(" | ", errors)}";
    }

    private void Read()
    {
        try
        {
            foreach (string line in TextLines.Whole(process.StandardOutput, "its output", LongestLine)) lines.Add(line, stopping.Token);
        }
        catch (InvalidDataException)
        {
            Endless = $"it wrote a line of more than {LongestLine} characters";
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or OperationCanceledException)
        {
            // Killed or disposed of: there is nothing more that could be used.
        }
        finally
        {
            lines.CompleteAdding();
        }
    }

    private void ReadErrors()
    {
        try
        {
            foreach (string line in TextLines.Whole(process.StandardError, "its errors", LongestLine))
                lock (errors)
                {
                    if (line.Trim().Length > 0) errors.Enqueue(line.Length <= 300 ? line : line[..300] + "...");
                    if (errors.Count > ErrorLines) errors.Dequeue();
                }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or InvalidDataException)
        {
        }
    }

    /// <summary>Kills the program and all it started.</summary>
    public void Dispose()
    {
        process.Kill(entireProcessTree: true);
        stopping.Cancel();          // a full buffer would hold the reader
        reading.Wait(1000);         // a program's own child may hold the pipe open
        process.Dispose();
    }
}
