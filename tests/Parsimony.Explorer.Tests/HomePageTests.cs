using System.Net;
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
        at.EnsureNoErrors();
        await at.Go("/runs/..%2Fetc");
        Assert.Contains("no run", await at.Page.InnerTextAsync("h1"), StringComparison.Ordinal);
        Assert.All(at.Errors, e => Assert.Contains("404", e, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/runs/nowhere", "There is no run “nowhere” here")]
    [InlineData("/rlhf?of=nothing", "There is no “nothing” here")]
    [InlineData("/compare?adapter=nothing", "this run has no adapter 'nothing'; it has")]
    [InlineData("/compare?feature=999999", "there is no latent 999999; this SAE has latents 0 to")]
    [InlineData("/nowhere", "There is no such page")]
    public async Task What_an_address_names_and_is_not_there_is_404_and_the_page_says_so(string path, string words)
    {
        using var answer = await run.Http.GetAsync(new Uri(path, UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        string html = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
        Assert.Contains(words, html, StringComparison.Ordinal);
        Assert.Contains("<nav aria-label=\"Pages\">", html, StringComparison.Ordinal);
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
