using System.Runtime.ExceptionServices;

namespace Parsimony.Explorer.Model;

/// <summary>More is asked for than the explorer takes on at once.</summary>
public sealed class BusyException(string message) : InvalidOperationException(message);

/// <summary>
/// The one thread that the model belongs to, and everyone's work on it in turns. Work is done in steps, such as one token of a text; after each step the next client has its turn, so that
/// twenty pages wait for each other's tokens, not for each other's texts. Bounded: who asks for more than it holds is refused.
/// </summary>
public sealed class ModelQueue : IDisposable
{
    /// <summary>Pieces of work that wait at most: of one client, of all.</summary>
    public const int MostOfOne = 8, MostOfAll = 256;

    private readonly Lock gate = new();
    private readonly Dictionary<string, Queue<Work>> waiting = [];
    private readonly Queue<string> turns = [];
    private readonly SemaphoreSlim ready = new(0);
    private readonly Thread thread;
    private int count;
    private bool isClosed;

    /// <summary>Starts the thread.</summary>
    public ModelQueue()
    {
        thread = new Thread(Loop) { IsBackground = true, Name = "model" };
        thread.Start();
    }

    /// <summary>Pieces of work that wait or are under way.</summary>
    public int Count
    {
        get { lock (gate) return count; }
    }

    /// <summary>Pieces of one client's work that wait or are under way.</summary>
    public int CountOf(string client)
    {
        lock (gate) return waiting.TryGetValue(client, out var mine) ? mine.Count : 0;
    }

    /// <summary>Does one thing with the model.</summary>
    /// <param name="client">Whose turn it takes.</param>
    /// <param name="work">Run on the model's thread, without gradients.</param>
    /// <param name="cancellation">Before its turn has come it is taken out.</param>
    /// <exception cref="BusyException">Too much waits already.</exception>
    public Task<T> Run<T>(string client, Func<T> work, CancellationToken cancellation = default)
    {
        T result = default!;
        var done = Steps(client, () =>
        {
            result = work();
            return false;
        }, null, cancellation);
        return done.ContinueWith(task =>
        {
            if (task.IsFaulted) ExceptionDispatchInfo.Throw(task.Exception!.InnerException!);
            cancellation.ThrowIfCancellationRequested();
            return task.IsCanceled ? throw new OperationCanceledException() : result;
        }, CancellationToken.None, TaskContinuationOptions.RunContinuationsAsynchronously, TaskScheduler.Default);
    }

    /// <summary>Does something with the model step by step.</summary>
    /// <param name="client">Whose turns it takes.</param>
    /// <param name="step">One step, on the model's thread, without gradients; false: it was the last.</param>
    /// <param name="end">Run on the model's thread after the last step, also when a step failed or the work was called off: frees what the steps used.</param>
    /// <param name="cancellation">Calls it off between two steps.</param>
    /// <exception cref="BusyException">Too much waits already.</exception>
    public Task Steps(string client, Func<bool> step, Action? end = null, CancellationToken cancellation = default)
    {
        var work = new Work(step, end, cancellation);
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isClosed, this);
            if (!waiting.TryGetValue(client, out var mine)) waiting[client] = mine = [];
            if (mine.Count >= MostOfOne) throw new BusyException($"{mine.Count} requests of this page wait for the model already; wait for one of them, or stop it.");
            if (count >= MostOfAll) throw new BusyException($"{count} requests wait for the model already; try again in a moment.");
            mine.Enqueue(work);
            if (mine.Count == 1) turns.Enqueue(client);
            count++;
        }
        ready.Release();
        return work.Done.Task;
    }

    private void Loop()
    {
        using var noGradient = TorchSharp.torch.no_grad(); // the mode is the thread's own
        while (true)
        {
            ready.Wait();
            string client;
            Work work;
            lock (gate)
            {
                if (isClosed) break;
                client = turns.Dequeue();
                work = waiting[client].Peek();
            }
            bool goesOn = work.Step();
            lock (gate)
            {
                var mine = waiting[client];
                if (!goesOn)
                {
                    mine.Dequeue();
                    count--;
                }
                if (mine.Count > 0) turns.Enqueue(client);
                else waiting.Remove(client);
            }
            if (goesOn) ready.Release();
            else work.Finish();
        }
        lock (gate)
            foreach (var left in waiting.Values.SelectMany(w => w)) left.CallOff();
    }

    /// <summary>Stops after the step under way; what waits is called off.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (isClosed) return;
            isClosed = true;
        }
        ready.Release();
        if (Thread.CurrentThread != thread) thread.Join();
        ready.Dispose();
    }

    private sealed class Work(Func<bool> step, Action? end, CancellationToken cancellation)
    {
        private Exception? fault;
        private bool isCalledOff;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool Step()
        {
            if (cancellation.IsCancellationRequested)
            {
                isCalledOff = true;
                return false;
            }
            try
            {
                return step();
            }
            catch (Exception e) // whatever it is, it is the caller's, not the queue's
            {
                fault = e;
                return false;
            }
        }

        public void CallOff()
        {
            isCalledOff = true;
            Finish();
        }

        public void Finish()
        {
            try
            {
                end?.Invoke();
            }
            catch (Exception e)
            {
                fault ??= e;
            }
            if (fault is OperationCanceledException) Done.TrySetCanceled();
            else if (fault is not null) Done.TrySetException(fault);
            else if (isCalledOff) Done.TrySetCanceled(cancellation.IsCancellationRequested ? cancellation : new CancellationToken(true));
            else Done.TrySetResult();
        }
    }
}
