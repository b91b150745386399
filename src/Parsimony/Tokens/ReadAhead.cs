using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Parsimony.Tokens;

/// <summary>Runs a sequence on a thread of its own, a few elements ahead of whoever takes them.</summary>
internal static class ReadAhead
{
    /// <summary>The same elements in the same order; what the sequence throws is thrown where its next element would have been.</summary>
    /// <param name="source">Enumerated on the other thread, which stops when the taker does.</param>
    /// <param name="ahead">Elements that may wait.</param>
    public static IEnumerable<T> Of<T>(IEnumerable<T> source, int ahead = 4)
    {
        using var waiting = new BlockingCollection<T>(ahead);
        using var stop = new CancellationTokenSource();
        ExceptionDispatchInfo? fault = null;
        var thread = new Thread(() =>
        {
            try
            {
                foreach (var element in source) waiting.Add(element, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The taker has enough.
            }
            catch (Exception e) // thrown again on the taker's thread
            {
                fault = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                waiting.CompleteAdding();
            }
        })
        { IsBackground = true };
        thread.Start();
        try
        {
            foreach (var element in waiting.GetConsumingEnumerable()) yield return element;
            fault?.Throw();
        }
        finally
        {
            stop.Cancel();
            thread.Join();
        }
    }
}
