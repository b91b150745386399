using System.Text.Json;
using Parsimony.Explorer.Features;
using Parsimony.Reporting;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>The SAE as a whole.</summary>
public sealed class SaePageTests(DemoRun run, Browser browser)
{
    [Fact]
    public async Task The_articles_numbers_are_those_of_the_report()
    {
        var report = run.Explored.Run.Report!;
        await using var at = await browser.Open(run, "/sae");
        string table = await at.Page.Locator("table").First.InnerTextAsync();
        foreach (double? loss in (double?[])[report.CeClean, report.CeSpliced, report.CeMeanAblated, report.CeZeroAblated]) Assert.Contains(Number.Loss(loss!.Value), table, StringComparison.Ordinal);
        Assert.True(await at.Page.Locator("figure svg").CountAsync() >= 4);
        Assert.Contains("parsimony", await at.Page.Locator("dl").InnerTextAsync(), StringComparison.Ordinal);
        await at.Picture("sae");
        await at.Page.Keyboard.PressAsync("t");
        await at.Picture("sae-dark");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_point_of_the_picture_opens_its_latent()
    {
        await using var at = await browser.Open(run, "/sae");
        var point = at.Page.Locator("figure[data-name=density-maximum] a").First;
        string href = (await point.GetAttributeAsync("href"))!;
        await point.Locator("circle").DispatchEventAsync("click");
        await at.Page.WaitForURLAsync("**/" + href);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task The_api_counts_every_latent_once()
    {
        using var json = JsonDocument.Parse(await run.Http.GetStringAsync(new Uri("/api/sae", UriKind.Relative)));
        var index = run.Explored.Index!;
        var density = json.RootElement.GetProperty("density");
        Assert.Equal(index.DSae, density.GetProperty("dead").GetInt32() + density.GetProperty("counts").EnumerateArray().Sum(c => c.GetInt32()));
        Assert.Equal(index.DSae, json.RootElement.GetProperty("nearest_cosine").GetProperty("counts").EnumerateArray().Sum(c => c.GetInt32()));
        Assert.Equal(run.Explored.Run.Report!.CeSpliced, json.RootElement.GetProperty("ce_spliced").GetDouble());
    }

    [Fact]
    public void Crowds_are_thinned_and_who_stands_alone_stays()
    {
        var index = run.Explored.Index!;
        int alive = index.Fired.ToArray().Count(n => n > 0);
        Assert.Equal(alive, Scatter.Thin(index, int.MaxValue).Latents.Count);
        var (few, perCell) = Scatter.Thin(index, alive / 2);
        Assert.InRange(few.Count, 1, alive / 2);
        Assert.True(perCell >= 1);
        Assert.Equal(few.Distinct().Order(), few);
        int[] fired = [.. Enumerable.Range(0, index.DSae).Where(i => index.Fired[i] > 0)];
        Assert.Contains(index.Density[fired.MaxBy(i => index.Density[i])], few.Select(i => index.Density[i])); // the ends stand alone
    }
}
