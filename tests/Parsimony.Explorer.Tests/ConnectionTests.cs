using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>A page whose connection breaks off while the model writes for it.</summary>
[Collection(nameof(AloneWithTheModel))]
public sealed class ConnectionTests(DemoRun run, Browser browser)
{
    private const int Length = 200, TurnMilliseconds = 25; // of another client, after each token: the whole text would take ten seconds and more

    [Fact]
    public async Task A_connection_that_breaks_off_calls_the_writing_off_at_once_and_the_queue_goes_on_for_others()
    {
        var queue = run.Explored.Queue;
        await run.Explored.Bench();
        using var line = new Line(run.Address);
        await using var at = await browser.Open(line.Address, "/compare");
        using var end = new CancellationTokenSource();
        int turns = 0;
        var other = queue.Steps("other", () =>
        {
            Thread.Sleep(TurnMilliseconds);
            turns++;
            return !end.IsCancellationRequested;
        });
        await at.Page.FillAsync("#length", $"{Length}");
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForSelectorAsync("[data-side=tuned] [data-token]");
        Assert.Equal(2, queue.Count);

        line.Cut();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (queue.Count > 1 && clock.Elapsed.TotalSeconds < 2) await Task.Delay(5);
        Assert.True(queue.Count == 1, $"the model still writes {clock.Elapsed.TotalSeconds:0.0} s after nobody reads it any more");
        int before = turns;
        Assert.Equal(7, await queue.Run("third", () => 7)); // one that comes now has its turn
        while (turns == before) await Task.Delay(5);

        // The page is kept: when its connection is there again it says that it was stopped, and it can write.
        line.Mend();
        await at.Page.WaitForSelectorAsync(".sides[aria-busy=false]");
        Assert.InRange(await at.Page.Locator("[data-side=tuned] [data-token]").CountAsync(), 1, Length - 1);
        await end.CancelAsync();
        await other;
        await at.Page.FillAsync("#length", "4");
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('.sides').getAttribute('aria-busy') === 'false' && document.querySelectorAll('[data-side=tuned] [data-token]').length <= 4");
    }
}
