using System.Text.Json;
using Microsoft.Playwright;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Base against fine-tuned, in the browser.</summary>
public sealed class ComparePageTests(DemoRun run, Browser browser)
{
    private static async Task Written(ExplorerPage at) =>
        await at.Page.WaitForFunctionAsync("() => /differ from token|wrote the same|was stopped/.test(document.querySelector('[role=status]').textContent)");

    private static Task<string> Side(ExplorerPage at, string side) => at.Page.InnerTextAsync($"[data-side={side}]");

    [Fact]
    public async Task What_was_changed_is_shown_without_script_and_ranked_by_its_effect()
    {
        string html = await run.Http.GetStringAsync(new Uri("/compare", UriKind.Relative));
        Assert.Contains("Latents changed", html, StringComparison.Ordinal);
        Assert.Contains("Who carries the change", html, StringComparison.Ordinal);
        Assert.Contains("id=\"f", html, StringComparison.Ordinal);
        await using var at = await browser.Open(run, "/compare");
        Assert.Equal(1, await at.Page.Locator("figure[data-name=lorenz] svg").CountAsync());
        Assert.True(await at.Page.Locator("table.features tbody tr").CountAsync() > 5);
        await at.Picture("compare");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Two_sides_are_written_switched_turned_and_found_again_by_their_address()
    {
        await using var at = await browser.Open(run, "/compare?adapter=rlhf");
        await at.Page.FillAsync("#prompt", "The wolf & the <b>bear</b>");
        await at.Page.FillAsync("#seed", "4");
        await at.Page.FillAsync("#length", "24");
        await at.Page.ClickAsync("button.main");
        await Written(at);
        Assert.Contains("<b>bear</b>", await Side(at, "rest"), StringComparison.Ordinal);
        Assert.Contains("prompt=The%20wolf", at.Page.Url, StringComparison.Ordinal);
        Assert.Contains("seed=4", at.Page.Url, StringComparison.Ordinal);
        string tuned = await Side(at, "tuned");

        // Why this token?
        await at.Page.Locator("[data-side=tuned] [data-token]").Nth(3).ClickAsync();
        await at.Page.WaitForSelectorAsync(".why tbody tr");
        Assert.Contains("sum to", await at.Page.InnerTextAsync(".why"), StringComparison.Ordinal);
        await at.Picture("compare-written");

        // The address is the view: opened again it writes the same.
        string address = at.Page.Url;
        await at.Go(address);
        await Written(at);
        Assert.Equal(tuned, await Side(at, "tuned"));

        // Would it still say that? A switch off, then the whole edit at rest: both sides are one.
        await at.Page.Locator("table.features input[type=checkbox]").First.UncheckAsync();
        await at.Page.WaitForFunctionAsync("() => location.search.includes('off=')");
        await Written(at);
        await at.Page.Locator("#weight").FillAsync("0");
        await at.Page.WaitForFunctionAsync("() => location.search.includes('weight=0')");
        await at.Page.WaitForFunctionAsync("() => /wrote the same/.test(document.querySelector('[role=status]').textContent)");
        Assert.Equal(await Side(at, "rest"), await Side(at, "tuned"));
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Another_order_of_the_table_leaves_the_text_and_a_feature_opens_beside_it()
    {
        await using var at = await browser.Open(run, "/compare?prompt=The%20cat&length=8&temperature=0");
        await Written(at);
        string before = await Side(at, "tuned");
        await at.Page.EvaluateAsync("""
            () => {
                window.stayed = true; // a page that is loaded anew has forgotten it
                window.redrawn = 0;
                new MutationObserver(changes => window.redrawn += changes.length).observe(document.querySelector('[data-side=tuned]'), { childList: true, subtree: true, characterData: true });
                const live = document.querySelector('.live');
                new MutationObserver(() => { if (!live.isConnected) window.redrawn++; }).observe(document.body, { childList: true, subtree: true });
            }
            """);
        foreach (var (column, name) in ((string, string)[])[("c", "c"), ("d", "d"), ("latent", "latent"), ("threshold", "−d/c")])
        {
            await at.Page.ClickAsync($"table.features thead a:text-is('{name}')");
            await at.Page.WaitForFunctionAsync("column => location.search.includes('sort=' + column) && document.querySelector('thead a[aria-current]')?.textContent.endsWith(' ↓') && document.querySelector('thead a[aria-current]').href.includes('sort=' + column)", column);
        }
        Assert.True(await at.Page.EvaluateAsync<bool>("window.stayed === true"), "the page was loaded anew");
        Assert.Equal(0, await at.Page.EvaluateAsync<int>("window.redrawn"));
        Assert.Equal(before, await Side(at, "tuned"));

        // Back is the view before, also where it was set otherwise since.
        await at.Page.Locator("#weight").FillAsync("0");
        await at.Page.WaitForFunctionAsync("() => location.search.includes('weight=0') && /wrote the same/.test(document.querySelector('[role=status]').textContent)");
        await at.Page.GoBackAsync();
        await at.Page.WaitForFunctionAsync("before => location.search.includes('sort=latent') && document.querySelector('#weight').value === '1' && document.querySelector('[data-side=tuned]').innerText === before", before);
        Assert.True(await at.Page.EvaluateAsync<bool>("window.stayed === true"), "the page was loaded anew");

        await at.Page.Locator("table.features tbody a").First.ClickAsync();
        await at.Page.WaitForSelectorAsync(".drawer figure svg");
        Assert.True(await at.Page.Locator(".drawer .contexts li").CountAsync() > 0);
        await at.Picture("compare-drawer", whole: false);
        await at.Page.Keyboard.PressAsync("t");
        await at.Picture("compare-drawer-dark", whole: false);
        await at.Page.ClickAsync(".drawer a:text-is('Close')");
        await at.Page.WaitForSelectorAsync(".drawer", new() { State = WaitForSelectorState.Detached });
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_latents_label_stands_beside_its_token_in_the_table_and_in_its_drawer()
    {
        const string Name = "<b>wolves</b> & kin";
        int latent = Comparing.Comparison.Of(run.Explored, null)!.Features[0].Latent;
        var before = run.Explored.Labels?.Get(latent).Hand;
        try
        {
            run.Explored.LabelsToWrite().Set(latent, Name, null, null);
            await using var at = await browser.Open(run, $"/compare?feature={latent}");
            Assert.Equal("label", await at.Page.InnerTextAsync("table.features thead th >> nth=2"));
            Assert.Equal(Name, await at.Page.InnerTextAsync($"#f{latent} td >> nth=2"));
            Assert.True(await at.Page.Locator($"#f{latent} td:nth-child(4) .chip").CountAsync() == 1);
            Assert.Contains(Name, await at.Page.InnerTextAsync(".drawer h2"), StringComparison.Ordinal);
            Assert.Equal(0, await at.Page.Locator($"#f{latent} td:nth-child(3) b").CountAsync());
            await at.Picture("compare-labels", whole: false);
            at.EnsureNoErrors();
        }
        finally
        {
            run.Explored.LabelsToWrite().Set(latent, before ?? "", null, null);
        }
    }

    [Fact]
    public async Task Stop_stops_and_so_does_leaving_the_page()
    {
        await using var at = await browser.Open(run, "/compare");
        await at.Page.FillAsync("#length", "200");
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForSelectorAsync("[data-side=rest] [data-token]");
        await at.Page.ClickAsync("button:text-is('Stop')");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('.sides').getAttribute('aria-busy') === 'false'");
        Assert.True(await at.Page.Locator("[data-side=rest] [data-token]").CountAsync() < 200);
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('.sides').getAttribute('aria-busy') === 'true'");
        await at.Page.GotoAsync("/healthz");
        var clock = System.Diagnostics.Stopwatch.StartNew();
        int waiting = 1;
        while (waiting > 0 && clock.Elapsed.TotalSeconds < 60)
        {
            await Task.Delay(50);
            waiting = JsonDocument.Parse(await run.Http.GetStringAsync(new Uri("/healthz", UriKind.Relative))).RootElement.GetProperty("waiting").GetInt32();
        }
        Assert.Equal(0, waiting);
    }

    [Fact]
    public async Task Every_input_has_a_label_and_what_cannot_be_done_is_said()
    {
        await using var at = await browser.Open(run, "/compare", ColorScheme.Dark);
        Assert.Equal(0, await at.Page.EvaluateAsync<int>("[...document.querySelectorAll('main input, main select, main textarea')].filter(x => !x.labels?.length && !x.getAttribute('aria-label')).length"));
        await at.Page.FillAsync("#length", "500");
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForSelectorAsync(".live .fault");
        Assert.Contains("the model was made for", await at.Page.InnerTextAsync(".live .fault"), StringComparison.Ordinal);
        await at.Picture("compare-dark");
        at.EnsureNoErrors();
    }
}
