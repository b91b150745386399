using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>
/// The pictures of the README, as large as a window. Those in docs/images are of the whole demo, from the root of the repository:
/// <c>PARSIMONY_EXPLORER_TEST_RUN=runs/demo dotnet test --project tests/Parsimony.Explorer.Tests -- --filter-class '*ReadmePictureTests'</c>, then artifacts/screenshots/explorer-*.png.
/// </summary>
public sealed class ReadmePictureTests(DemoRun run, Browser browser)
{
    [Fact]
    public async Task A_feature()
    {
        int latent = run.Explored.Index!.Ranked(Parsimony.Exploration.Index.IndexColumn.Effect)[0];
        await using var at = await browser.Open(run, $"/features/{latent}?c=0.5&d=-0.9");
        await at.Page.WaitForSelectorAsync("figure svg");
        await at.Picture("explorer-feature", whole: false);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Two_sides()
    {
        await using var at = await browser.Open(run, "/compare?adapter=rlhf&prompt=The%20hunter%20lifted%20his%20gun%20and&seed=1&length=40");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('[aria-busy=false]') && document.querySelectorAll('[data-side=tuned] [data-token]').length > 2");
        await at.Page.Locator("[data-side=tuned] [data-token]").Nth(1).ClickAsync();
        await at.Page.WaitForSelectorAsync(".why");
        await at.Page.EvaluateAsync("[...document.querySelectorAll('h2')].find(h => h.textContent === 'Side by side').scrollIntoView()");
        await at.Page.Mouse.MoveAsync(0, 0);
        await at.Picture("explorer-compare", whole: false);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_text()
    {
        await using var at = await browser.Open(run, "/prompt?text=%22I%20am%20not%20afraid%2C%22%20said%20the%20little%20fox%2C%20and%20he%20didn%27t%20run&by=relative");
        await at.Page.WaitForSelectorAsync("table.heat");
        await at.Picture("explorer-prompt", whole: false);
        at.EnsureNoErrors();
    }
}
