namespace Parsimony.Training.Kernels;

/// <summary>
/// A fixed team of threads for the kernels: it hands out the numbers 0 to n - 1, each to whoever is free. Between two calls the helpers spin for a
/// moment and then sleep, so that libtorch's own team is not in their way.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    private const int Spins = 2000;
    private readonly Thread[] helpers;
    private readonly SemaphoreSlim wake = new(0);
    private Action<int, int>? work;
    private Exception? fault;
    private int next, count, busy;
    private volatile bool over;

    /// <param name="size">Threads, the caller's included; 1 or more.</param>
    public ThreadTeam(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        Size = size;
        helpers = [.. Enumerable.Range(1, size - 1).Select(worker => new Thread(() => Serve(worker)) { IsBackground = true, Name = $"sae kernel {worker}" })];
        foreach (var helper in helpers) helper.Start();
    }

    /// <summary>Threads, the caller's included.</summary>
    public int Size { get; }

    /// <summary>Calls <paramref name="body"/> with (worker, task) for every task; returns when all are done.</summary>
    /// <param name="tasks">Number of tasks.</param>
    /// <param name="body">Gets the worker's number, 0 to <see cref="Size"/> - 1, and the task's.</param>
    public void Run(int tasks, Action<int, int> body)
    {
        (work, count, next, fault) = (body, tasks, 0, null);
        int wanted = Math.Min(helpers.Length, tasks - 1);
        Volatile.Write(ref busy, Math.Max(0, wanted));
        if (wanted > 0) wake.Release(wanted);
        Take(0);
        var spin = default(SpinWait);
        while (Volatile.Read(ref busy) > 0) spin.SpinOnce(sleep1Threshold: -1);
        work = null;
        if (fault is not null) throw new InvalidOperationException($"A kernel failed: {fault.Message}", fault);
    }

    /// <summary>Ends the helpers.</summary>
    public void Dispose()
    {
        over = true;
        if (helpers.Length > 0) wake.Release(helpers.Length);
        foreach (var helper in helpers) helper.Join();
        wake.Dispose();
    }

    private void Serve(int worker)
    {
        while (true)
        {
            for (int i = 0; i < Spins && wake.CurrentCount == 0; i++) Thread.SpinWait(8);
            wake.Wait();
            if (over) return;
            Take(worker);
            Interlocked.Decrement(ref busy);
        }
    }

    private void Take(int worker)
    {
        try
        {
            for (int task = Interlocked.Increment(ref next) - 1; task < count; task = Interlocked.Increment(ref next) - 1) work!(worker, task);
        }
        catch (Exception e)
        {
            fault = e;
            Volatile.Write(ref next, count);
        }
    }
}
