using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>As many real pages at once as the explorer is made for. How fast it is then is <c>bench explore</c>'s question.</summary>
[Collection(nameof(AloneWithTheModel))]
public sealed class CrowdTests(DemoRun run, Browser browser)
{
    private const int Pages = 20, Length = 40;

    [Fact]
    public async Task Twenty_pages_of_a_browser_write_at_once_and_another_is_answered_before_they_are_done()
    {
        await run.Explored.Bench();
        List<ExplorerPage> pages = [];
        try
        {
            for (int i = 0; i < Pages; i++)
            {
                pages.Add(await browser.Open(run, "/compare"));
                await pages[i].Page.FillAsync("#length", $"{Length}");
                await pages[i].Page.FillAsync("#seed", $"{i}");
            }
            await using var other = await browser.Open(run, "/prompt");
            await other.Page.WaitForSelectorAsync("table.heat");

            await Task.WhenAll(pages.Select(p => p.Page.ClickAsync("button.main")));
            await other.Page.FillAsync("#prompt-text", "A wren flew by");
            await other.Page.WaitForFunctionAsync("() => document.querySelector('[data-prompt]')?.textContent.includes('wren')");
            int done = 0;
            foreach (var page in pages)
                if (await page.Page.Locator(".sides[aria-busy=false]").CountAsync() > 0) done++;
            Assert.True(done < Pages, "the page that asked last was answered last");

            foreach (var page in pages)
            {
                await page.Page.WaitForSelectorAsync(".sides[aria-busy=false]");
                Assert.InRange(await page.Page.Locator("[data-side=tuned] [data-token]").CountAsync(), 1, Length);
                page.EnsureNoErrors();
            }
            Assert.True((await Task.WhenAll(pages.Select(p => p.Page.InnerTextAsync("[data-side=tuned]")))).Distinct().Count() > Pages / 2); // each has its own text
            Assert.Equal(0, run.Explored.Queue.Count);
            other.EnsureNoErrors();
        }
        finally
        {
            foreach (var page in pages) await page.DisposeAsync();
        }
    }
}
