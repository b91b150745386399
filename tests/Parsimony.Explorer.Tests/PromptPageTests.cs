using System.Net.Http.Json;
using System.Text.Json;
using Parsimony.Explorer.Model;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>A text under the SAE.</summary>
public sealed class PromptPageTests(DemoRun run, Browser browser)
{
    private async Task<JsonElement> Ask(object question)
    {
        using var answer = await run.Http.PostAsJsonAsync("/api/prompt", question);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }

    [Fact]
    public async Task A_text_is_looked_at_while_it_is_written_and_its_view_is_an_address()
    {
        await using var at = await browser.Open(run, "/prompt");
        await at.Page.WaitForSelectorAsync("table.heat");
        await at.Page.FillAsync("#prompt-text", "The wolf <b>ran</b> سلام 🐺 漢");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('[data-prompt]')?.textContent.includes('🐺')");
        Assert.Contains("<b>ran</b>", await at.Page.InnerTextAsync("[data-prompt]"), StringComparison.Ordinal);
        Assert.Equal(0, await at.Page.Locator("[data-prompt] b").CountAsync());
        await at.Page.Locator("[data-prompt] [data-token]").Nth(1).ClickAsync();
        await at.Page.WaitForFunctionAsync("() => location.search.includes('at=')");
        string address = at.Page.Url, picked = await at.Page.InnerTextAsync("h2 >> nth=1");
        await at.Go(address);
        await at.Page.WaitForSelectorAsync("table.heat");
        Assert.Equal(picked, await at.Page.InnerTextAsync("h2 >> nth=1"));
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_latent_that_is_left_out_changes_what_comes_next()
    {
        await using var at = await browser.Open(run, "/prompt?text=One+morning+the+little+fox");
        await at.Page.ClickAsync("button:has-text('leave out') >> nth=0");
        await at.Page.WaitForSelectorAsync("th:has-text('Δ log p')");
        await at.Page.WaitForFunctionAsync("() => location.search.includes('latent=') && /ms/.test(document.querySelector('[role=status]').textContent)");
        await at.Picture("prompt");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task What_is_seen_equals_a_pass_of_ones_own()
    {
        var answer = await Ask(new { text = "The old king was afraid.", by = "activation", per_token = 64 });
        var (f, next) = await run.Explored.Ask("test", bench =>
        {
            var ids = TorchSharp.torch.tensor(PromptAnalysis.Encode(bench, "The old king was afraid.").Select(i => (long)i).ToArray()).unsqueeze(0);
            var latents = bench.Sae.Encode(bench.Model.Activations(bench.At, ids))[0];
            return (latents.data<float>().ToArray(), bench.Model.Forward(ids)[0, -1].softmax(-1).max().item<float>());
        });
        int dSae = run.Explored.Index!.DSae, t = 0;
        foreach (var token in answer.GetProperty("tokens").EnumerateArray())
        {
            foreach (var latent in token.GetProperty("latents").EnumerateArray())
                Assert.Equal(f[t * dSae + latent.GetProperty("latent").GetInt32()], latent.GetProperty("activation").GetSingle(), 1e-4f);
            Assert.Equal(f.Skip(t * dSae).Take(dSae).Count(a => a > 0), token.GetProperty("active").GetInt32());
            t++;
        }
        Assert.Equal(next, answer.GetProperty("next")[0].GetProperty("p").GetDouble(), 1e-5);
    }

    [Fact]
    public async Task A_latent_that_does_not_fire_changes_nothing_when_it_is_left_out()
    {
        var fires = (await Ask(new { text = "The cat", per_token = 64 })).GetProperty("tokens").EnumerateArray().SelectMany(t => t.GetProperty("latents").EnumerateArray()).Select(l => l.GetProperty("latent").GetInt32()).ToHashSet();
        int silent = Enumerable.Range(0, run.Explored.Index!.DSae).First(i => !fires.Contains(i));
        Assert.Equal(0, (await Ask(new { text = "The cat", without = silent })).GetProperty("kl_without").GetDouble(), 1e-9);
    }

    [Fact]
    public async Task What_cannot_be_looked_at_is_said()
    {
        Assert.Contains("can be shown", (await Ask(new { text = string.Concat(Enumerable.Repeat("word ", 2000)) })).GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Contains("there is no latent 999999", (await Ask(new { text = "a", without = 999999 })).GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.NotEmpty((await Ask(new { text = "" })).GetProperty("next").EnumerateArray());
        await using var at = await browser.Open(run, "/prompt");
        await at.Page.FillAsync("#prompt-text", string.Concat(Enumerable.Repeat("word ", 2000)));
        Assert.Contains("Shorten it", await at.Page.InnerTextAsync("[role=alert]"), StringComparison.Ordinal);
        at.EnsureNoErrors();
    }
}
