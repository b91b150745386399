using System.Net;
using System.Text.Json;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Features;
using Parsimony.Explorer.Runs;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>The list of features.</summary>
public sealed class FeaturesPageTests(DemoRun run, Browser browser)
{
    private FeatureIndex Index => run.Explored.Index!;

    private async Task<(HttpStatusCode Status, JsonElement Json)> Get(string path)
    {
        using var answer = await run.Http.GetAsync(new Uri(path, UriKind.Relative));
        return (answer.StatusCode, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement);
    }

    private async Task<int[]> Listed(string query)
    {
        var found = new List<int>();
        for (int total = 1; found.Count < total;)
        {
            var (status, json) = await Get($"/api/features?{query}&skip={found.Count}&take=1000");
            Assert.Equal(HttpStatusCode.OK, status);
            total = json.GetProperty("total").GetInt32();
            int[] some = [.. json.GetProperty("features").EnumerateArray().Select(f => f.GetProperty("latent").GetInt32())];
            found.AddRange(some);
            if (some.Length == 0) break;
        }
        return [.. found];
    }

    [Theory]
    [InlineData("density", IndexColumn.Density, true)]
    [InlineData("max", IndexColumn.Max, false)]
    [InlineData("mean", IndexColumn.Mean, true)]
    [InlineData("effect", IndexColumn.Effect, true)]
    [InlineData("effect", IndexColumn.Effect, false)]
    public async Task The_list_is_sorted_as_the_index_ranks(string sort, IndexColumn column, bool descending) =>
        Assert.Equal(Index.Ranked(column, descending), await Listed($"sort={sort}&descending={descending}"));

    [Fact]
    public async Task Filters_let_through_what_they_say()
    {
        float middle = Index.Density.ToArray().Order().ElementAt(Index.DSae / 2);
        int[] listed = await Listed(FormattableString.Invariant($"min_density={(double)middle:R}&max_density=0.5&alive=true&sort=latent"));
        Assert.Equal([.. Enumerable.Range(0, Index.DSae).Where(i => Index.Density[i] >= (double)middle && Index.Density[i] <= 0.5 && Index.Fired[i] > 0)], listed);
        Assert.NotEmpty(listed);
    }

    [Fact]
    public async Task Moved_latents_are_those_whose_activation_the_adapter_changes_the_farthest_first()
    {
        var table = AdapterValues.Read(run.Explored.Run, "rlhf");
        var (status, json) = await Get("/api/features?adapter=rlhf&take=200");
        Assert.Equal(HttpStatusCode.OK, status);
        double[] moved = [.. json.GetProperty("features").EnumerateArray().Select(f => f.GetProperty("moved").GetDouble())];
        Assert.Equal(moved.OrderDescending(), moved);
        var first = json.GetProperty("features")[0];
        var h = Index.Histogram(first.GetProperty("latent").GetInt32());
        Assert.Equal(h.Moved(first.GetProperty("scale").GetDouble(), first.GetProperty("shift").GetDouble()), moved[0], 1e-5 * moved[0]);
        bool isAnalysed = run.Explored.Run.Report!.Analysis is { } analysis && analysis.Features.All(f => Math.Abs(table.Scale[f.Latent] - f.Scale) < 1e-4 && Math.Abs(table.Shift[f.Latent] - f.Shift) < 1e-4);
        var expected = isAnalysed ? run.Explored.Run.Report!.Analysis!.Significant : Enumerable.Range(0, Index.DSae).Where(i => Index.Histogram(i).Moved(table.Scale[i], table.Shift[i]) > 0);
        Assert.Equal(expected.Order(), await Listed("adapter=rlhf&moved=true&sort=latent"));
    }

    [Fact]
    public async Task A_token_search_finds_the_latents_that_peak_on_it_and_those_that_promote_it()
    {
        var tokenizer = run.Explored.Tokenizer!;
        int latent = Index.Ranked(IndexColumn.Effect)[0], peak = Index.PeakToken[latent];
        string token = ShownText(peak);
        int[] found = await Listed($"sort=latent&query={Uri.EscapeDataString($"tok:\"{token}\"")}");
        Assert.Contains(latent, found);
        Assert.Equal(Index.PeakingOn(peak).Select(p => p.Latent).Order(), found);
        int promoted = Index.Promoted(latent).First(t => !ShownText(t.Id).Contains('"', StringComparison.Ordinal)).Id;
        int[] promoting = await Listed($"sort=latent&query={Uri.EscapeDataString($"out:\"{ShownText(promoted)}\"")}");
        Assert.Equal([.. Enumerable.Range(0, Index.DSae).Where(i => Index.Card(i) is var card && card.Promoted.Concat(card.Raised).Any(t => t.Id == promoted))], promoting);
        Assert.Equal([latent], await Listed($"query={Uri.EscapeDataString("#" + latent)}"));
        Assert.Empty(await Listed($"query={Uri.EscapeDataString($"#{latent} label:nothing-is-called-this")}"));

        string ShownText(int id) => Reporting.ShadedText.Decode(tokenizer.Bytes(id));
    }

    [Theory]
    [InlineData("query=%23999999", "there is no latent '999999'; this SAE has latents 0 to")]
    [InlineData("sort=beauty", "sort is 'beauty'; it must be latent, density, max, mean, effect, moved")]
    [InlineData("min_density=-1&alive=perhaps", "alive is 'perhaps'; it must be true or false")]
    [InlineData("moved=true", "nothing is moved without an adapter")]
    [InlineData("adapter=none-such", "this run has no adapter 'none-such'; it has:")]
    [InlineData("query=tok:frighteningly-unlikely", "is no single token; this model writes it as")]
    [InlineData("take=5000", "take 0 to 1000")]
    public async Task What_cannot_be_listed_is_said(string query, string sentence)
    {
        var (status, json) = await Get("/api/features?" + query);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains(sentence, json.GetProperty("error").GetString(), StringComparison.Ordinal);
        if (query.StartsWith("take", StringComparison.Ordinal)) return;
        string page = WebUtility.HtmlDecode(await run.Http.GetStringAsync(new Uri("/features?" + query, UriKind.Relative)));
        Assert.Contains(sentence, page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("query=tok%3A%22%20dog%22&sort=density&min_density=0.001&max_density=0.1&alive=true")]
    [InlineData("sort=latent&descending=true&adapter=rlhf&skip=40")]
    [InlineData("descending=false&moved=true&adapter=a%26b")]
    public void A_query_comes_back_from_its_address(string query)
    {
        var parts = query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToDictionary(p => p[0], p => Uri.UnescapeDataString(p[1]));
        Assert.Equal(query, FeatureQuery.Parse(parts.GetValueOrDefault).ToQuery());
    }

    [Fact]
    public async Task The_address_holds_the_filters_and_the_form_restores_them()
    {
        await using var at = await browser.Open(run, "/features");
        await at.Picture("features");
        string token = run.Explored.Tokenizer!.Display(Index.PeakToken[Index.Ranked(IndexColumn.Effect)[0]]).Trim('␣');
        await at.Page.FillAsync("#query", "tok:" + token);
        await at.Page.FillAsync("#max_density", "0.9");
        await at.Page.SelectOptionAsync("#sort", "density");
        await at.Page.CheckAsync("input[name=alive]");
        await at.Page.ClickAsync("form button[type=submit]");
        await at.Page.WaitForSelectorAsync("[data-live=yes][data-query*='sort=density'] a[data-row]");
        string[] rows = [.. await at.Page.Locator("a[data-row]").AllInnerTextsAsync()];
        string address = at.Page.Url;
        Assert.NotEmpty(rows);
        await at.Go(address);
        await at.Page.WaitForSelectorAsync("a[data-row]");
        Assert.Equal(rows, await at.Page.Locator("a[data-row]").AllInnerTextsAsync());
        Assert.Equal("tok:" + token, await at.Page.InputValueAsync("#query"));
        Assert.Equal("0.9", await at.Page.InputValueAsync("#max_density"));
        Assert.Equal("density", await at.Page.InputValueAsync("#sort"));
        Assert.True(await at.Page.IsCheckedAsync("input[name=alive]"));
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task The_keyboard_searches_walks_through_the_list_and_opens_a_feature()
    {
        await using var at = await browser.Open(run, "/features?sort=density&adapter=rlhf");
        await at.Page.WaitForSelectorAsync("a[data-row]");
        await at.Page.Keyboard.PressAsync("/");
        Assert.Equal("query", await Focused());
        await at.Page.EvaluateAsync("document.activeElement.blur()");
        string[] rows = [.. (await at.Page.Locator("a[data-row]").AllInnerTextsAsync()).Take(3)];
        foreach (char key in "jjjk") await at.Page.Keyboard.PressAsync(key.ToString());
        Assert.Equal(rows[1], await at.Page.EvaluateAsync<string>("document.activeElement.innerText"));
        await at.Page.Keyboard.PressAsync("Enter");
        await at.Page.WaitForURLAsync(url => url.Contains($"/features/{rows[1]}", StringComparison.Ordinal));
        await at.Page.WaitForSelectorAsync($"h1:has-text('Latent {rows[1]}')");
        at.EnsureNoErrors();

        Task<string> Focused() => at.Page.EvaluateAsync<string>("document.activeElement.id");
    }

    [Fact]
    public async Task A_long_list_is_scrolled_through_without_all_of_it_being_in_the_page()
    {
        await using var at = await browser.Open(run, "/features?sort=latent");
        await at.Page.WaitForSelectorAsync("a[data-row]");
        Assert.InRange(await at.Page.Locator("a[data-row]").CountAsync(), 10, 200);
        await at.Page.EvaluateAsync("document.querySelector('.virtual').scrollTop = 1e7");
        await at.Page.WaitForSelectorAsync($"a[data-row]:text-is('{Index.DSae - 1}')");
        at.EnsureNoErrors();
    }
}
