using Parsimony.Explorer.Model;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Turns with the model.</summary>
public sealed class ModelQueueTests
{
    [Fact]
    public async Task Clients_take_turns_step_by_step()
    {
        using var queue = new ModelQueue();
        var order = new List<string>();
        using var begin = new ManualResetEventSlim();
        var first = queue.Run("gate", () => { begin.Wait(); return 0; });
        Task Steps(string who, int count) => queue.Steps(who, () => { order.Add(who); return --count > 0; });
        var all = Task.WhenAll(first, Steps("a", 3), Steps("b", 2), Steps("a", 1), Steps("c", 1));
        begin.Set();
        await all;
        Assert.Equal(["a", "b", "c", "a", "b", "a", "a"], order);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task What_is_called_off_is_not_done_and_frees_what_it_used()
    {
        using var queue = new ModelQueue();
        using var stop = new CancellationTokenSource();
        bool isFreed = false;
        int steps = 0;
        var work = queue.Steps("a", () =>
        {
            if (++steps == 3) stop.Cancel();
            return true;
        }, () => isFreed = true, stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
        Assert.True(isFreed);
        Assert.Equal(3, steps);
    }

    [Fact]
    public async Task An_error_is_its_callers_and_the_queue_goes_on()
    {
        using var queue = new ModelQueue();
        await Assert.ThrowsAsync<ArgumentException>(() => queue.Run<int>("a", () => throw new ArgumentException("no")));
        Assert.Equal(7, await queue.Run("a", () => 7));
    }

    [Fact]
    public async Task Too_much_of_one_client_is_refused_while_others_are_served()
    {
        using var queue = new ModelQueue();
        using var begin = new ManualResetEventSlim();
        var mine = Enumerable.Range(0, ModelQueue.MostOfOne).Select(_ => queue.Run("a", () => { begin.Wait(); return 0; })).ToList();
        await Assert.ThrowsAsync<BusyException>(() => queue.Run("a", () => 0));
        var other = queue.Run("b", () => 1);
        begin.Set();
        Assert.Equal(1, await other);
        await Task.WhenAll(mine);
    }

    [Fact]
    public async Task What_waits_when_it_closes_is_called_off()
    {
        var queue = new ModelQueue();
        using var begun = new ManualResetEventSlim();
        using var end = new ManualResetEventSlim();
        var first = queue.Run("a", () => { begun.Set(); end.Wait(); return 0; });
        var second = queue.Run("b", () => 1);
        begun.Wait();
        var closing = Task.Run(queue.Dispose);
        await Task.Delay(50);
        end.Set();
        await closing;
        Assert.Equal(0, await first);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
    }
}
