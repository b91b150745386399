using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What latents are called.</summary>
public sealed class LabelPageTests(DemoRun run, Browser browser)
{
    private async Task<(HttpStatusCode Status, JsonElement Body)> Put(int latent, object change)
    {
        using var answer = await run.Http.PutAsJsonAsync($"/api/labels/{latent}", change);
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }

    [Fact]
    public async Task A_label_is_kept_found_and_shown_as_text_even_when_it_is_markup()
    {
        const string Name = "<img src=x onerror=alert(1)> wolves & 🐺";
        var (status, said) = await Put(3, new { label = Name, star = true });
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(Name, said.GetProperty("hand").GetString());
        await using var at = await browser.Open(run, "/labels?q=WOLVES");
        Assert.Contains(Name, await at.Page.InnerTextAsync("tbody"), StringComparison.Ordinal);
        Assert.Equal(0, await at.Page.Locator("tbody img").CountAsync());
        await at.Go("/labels?show=starred");
        Assert.Contains("★", await at.Page.InnerTextAsync("tbody"), StringComparison.Ordinal);
        await Put(3, new { label = "", star = false });
        await at.Go("/labels?q=wolves");
        Assert.Equal(0, await at.Page.Locator("tbody tr").CountAsync());
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task What_cannot_be_a_label_is_refused()
    {
        Assert.Equal(HttpStatusCode.BadRequest, (await Put(1, new { label = new string('x', 500) })).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Put(10_000_000, new { label = "x" })).Status);
        using var bad = await run.Http.GetAsync(new Uri("/api/labels?take=99999", UriKind.Relative));
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task Labels_are_listed_with_their_scores_beside_their_baselines()
    {
        int latent = run.Explored.Index!.Ranked(Parsimony.Exploration.Index.IndexColumn.ContextsFired)[run.Explored.Index.DSae / 8];
        var made = await run.Explored.Ask("test", bench => run.Explored.LabellerFor(bench).Label(latent));
        run.Explored.LabelsToWrite().Keep(made);
        await using var at = await browser.Open(run, "/labels?show=automatic");
        Assert.True(await at.Page.Locator("tbody tr").CountAsync() > 0);
        await at.Picture("labels");
        at.EnsureNoErrors();
    }
}
