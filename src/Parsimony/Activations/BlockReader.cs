using System.Diagnostics;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>
/// Holds the present block of a stream and, when asked to, reads the one after it on a thread of its own while the present one is used up:
/// two blocks in memory, never more. What the thread throws is thrown to whoever waits for its block.
/// </summary>
internal sealed class BlockReader : IDisposable
{
    private readonly IContextActivations source;
    private readonly ShuffleOrder order;
    private readonly bool ahead;
    private readonly int threads = get_num_threads();
    private Dictionary<HookPoint, Tensor>? present, next; // [block tokens, width] each
    private (long Epoch, long Block)? presentIs, nextIs;
    private CancellationTokenSource? stop;
    private Task? reading;
    private long tokens, readingTicks, waitingTicks, idleTicks, readyAt;

    public BlockReader(IContextActivations source, ShuffleOrder order, bool ahead) =>
        (this.source, this.order, this.ahead) = (source, order, ahead && order.Blocks > 1);

    /// <summary>Whether a second block is read while the first is used.</summary>
    public bool IsAhead => ahead;

    /// <summary>Tokens read so far, on either thread.</summary>
    public long Tokens => Interlocked.Read(ref tokens);

    /// <summary>Seconds spent reading so far, on either thread.</summary>
    public double ReadingSeconds => Seconds(Interlocked.Read(ref readingTicks));

    /// <summary>How long each side has waited for the other so far.</summary>
    public ActivationWaits Waits
    {
        get
        {
            long idle = reading is { IsCompletedSuccessfully: true } ? Stopwatch.GetTimestamp() - readyAt : 0;
            return new(Seconds(waitingTicks), Seconds(idleTicks + idle));
        }
    }

    /// <summary>The rows of a block at each hook point, contexts in order; the reader's, until the next call.</summary>
    /// <exception cref="OperationCanceledException">Cancelled while waiting; nothing has changed.</exception>
    public IReadOnlyDictionary<HookPoint, Tensor> Get(long epoch, long block, CancellationToken cancellation)
    {
        // With one block in all, it serves every epoch.
        if (presentIs is { } held && held.Block == block && (held.Epoch == epoch || order.Blocks == 1)) return present!;
        cancellation.ThrowIfCancellationRequested();
        long start = Stopwatch.GetTimestamp();
        try
        {
            if (ahead) TakeNext((epoch, block), cancellation);
            else
            {
                presentIs = null;
                Fill(present ??= Rows(), (epoch, block), cancellation);
                presentIs = (epoch, block);
            }
        }
        finally
        {
            waitingTicks += Stopwatch.GetTimestamp() - start;
        }
        if (ahead) Begin(block + 1 < order.Blocks ? (epoch, block + 1) : (epoch + 1, 0));
        return present!;
    }

    /// <summary>Stops the thread and frees both blocks.</summary>
    public void Dispose()
    {
        Abandon();
        foreach (var tensor in (present?.Values ?? Enumerable.Empty<Tensor>()).Concat(next?.Values ?? Enumerable.Empty<Tensor>())) tensor.Dispose();
        (present, next) = (null, null);
    }

    private void TakeNext((long, long) wanted, CancellationToken cancellation)
    {
        if (nextIs != wanted)
        {
            Abandon();
            Begin(wanted);
        }
        try
        {
            reading!.WaitAsync(cancellation).GetAwaiter().GetResult();
        }
        catch when (reading!.IsFaulted) // its block is worth nothing; asked for again, it is read again
        {
            Abandon();
            throw;
        }
        idleTicks += Stopwatch.GetTimestamp() - readyAt;
        (present, next) = (next, present);
        (presentIs, nextIs) = (nextIs, null);
    }

    private void Begin((long Epoch, long Block) wanted)
    {
        // Made here, so that each thread frees as many tensors as it makes.
        var rows = next ??= Rows();
        nextIs = wanted;
        stop = new CancellationTokenSource();
        var token = stop.Token;
        reading = Task.Factory.StartNew(
            () =>
            {
                set_num_threads(threads); // a new thread has the default, and another number may round otherwise
                Fill(rows, wanted, token);
                readyAt = Stopwatch.GetTimestamp();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private void Abandon()
    {
        stop?.Cancel();
        if (reading is not null) _ = Task.WaitAny(reading); // unlike Wait it does not throw: how it ended is nobody's concern any more
        _ = reading?.Exception;
        stop?.Dispose();
        (stop, reading, nextIs) = (null, null, null);
    }

    private void Fill(Dictionary<HookPoint, Tensor> rows, (long Epoch, long Block) wanted, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        source.Read(order.ContextsOf(wanted.Epoch, wanted.Block), rows, cancellation);
        Interlocked.Add(ref readingTicks, Stopwatch.GetTimestamp() - start);
        Interlocked.Add(ref tokens, order.TokensIn(wanted.Block));
    }

    private Dictionary<HookPoint, Tensor> Rows() =>
        source.Hooks.ToDictionary(at => at, at => empty(order.TokensIn(0), source.Width(at)).DetachFromDisposeScope());

    private static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
