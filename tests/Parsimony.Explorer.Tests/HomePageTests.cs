using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>The runs, their charts and options.</summary>
public sealed class HomePageTests(DemoRun run, Browser browser)
{
    [Fact]
    public async Task Home_shows_the_run_its_figures_and_its_curves()
    {
        await using var at = await browser.Open(run, "/");
        Assert.Equal("demo", await at.Page.InnerTextAsync("h1"));
        Assert.True(await at.Page.Locator("figure svg").CountAsync() >= 6);
        await at.Picture("home");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_runs_options_are_shown_and_a_run_that_is_not_there_is_said()
    {
        await using var at = await browser.Open(run, "/runs/demo");
        Assert.Contains("training_tokens", await at.Page.InnerTextAsync("pre"), StringComparison.Ordinal);
        await at.Go("/runs/..%2Fetc");
        Assert.Contains("no run", await at.Page.InnerTextAsync("h1"), StringComparison.Ordinal);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Light_and_dark_are_switched_by_a_key_and_kept()
    {
        await using var at = await browser.Open(run, "/");
        await at.Page.Keyboard.PressAsync("t");
        await at.Go("/");
        Assert.Equal("dark", await at.Page.EvaluateAsync<string>("document.documentElement.dataset.theme"));
        await at.Picture("home-dark");
        await at.Page.Keyboard.PressAsync("?");
        Assert.True(await at.Page.Locator("dialog.keys").IsVisibleAsync());
        at.EnsureNoErrors();
    }
}
