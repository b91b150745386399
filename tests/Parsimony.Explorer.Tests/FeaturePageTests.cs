using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Playwright;
using Parsimony.Cli;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Features;
using Parsimony.FineTuning.Analysis;
using Parsimony.Reporting;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>One feature.</summary>
public sealed class FeaturePageTests(DemoRun run, Browser browser)
{
    private FeatureIndex Index => run.Explored.Index!;

    private int Strongest => Index.Ranked(IndexColumn.Effect)[0];

    private static Uri At(string path) => new(path, UriKind.Relative);

    [Fact]
    public async Task A_slider_at_rest_shows_the_measured_density_and_a_turned_one_what_the_histogram_predicts()
    {
        await using var at = await browser.Open(run, $"/features/{Strongest}");
        Assert.Equal(Number.Percent(Index.Density[Strongest]), await at.Page.InnerTextAsync("#density"));
        Assert.Equal("at rest", await at.Page.InnerTextAsync("#words"));
        await at.Picture("feature");
        await Turn(at.Page, "#scale", 0.5);
        await Turn(at.Page, "#shift", -Index.Max[Strongest] / 4);
        await at.Page.WaitForFunctionAsync("() => document.querySelector('#words').innerText.includes('later')");
        double d = double.Parse(await at.Page.InputValueAsync("#shift"), CultureInfo.InvariantCulture);
        var predicted = DialPrediction.Of(Index.Histogram(Strongest), 0.5, d);
        Assert.StartsWith(Number.Percent(predicted.Density), await at.Page.InnerTextAsync("#density"), StringComparison.Ordinal);
        Assert.Contains("fires later", await at.Page.InnerTextAsync("#words"), StringComparison.Ordinal);
        Assert.Contains("c=0.5", at.Page.Url, StringComparison.Ordinal);
        Assert.Contains($"steer?edit={Strongest}c0.5d-", await at.Page.GetAttributeAsync("#steer", "href"), StringComparison.Ordinal);
        string words = await at.Page.InnerTextAsync("#density");
        await at.Picture("feature-turned");
        await at.Go(at.Page.Url); // the address holds the dials
        Assert.Equal(words, await at.Page.InnerTextAsync("#density"));
        at.EnsureNoErrors();
    }

    private static async Task Turn(IPage page, string slider, double value) => await page.EvalOnSelectorAsync(slider,
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); e.dispatchEvent(new Event('change', { bubbles: true })); }", value.ToString(CultureInfo.InvariantCulture));

    [Fact]
    public async Task An_adapters_dials_are_filled_in()
    {
        await using var at = await browser.Open(run, $"/features/{Strongest}?adapter=rlhf", ColorScheme.Dark);
        using var json = JsonDocument.Parse(await run.Http.GetStringAsync(At($"/api/features?adapter=rlhf&query=%23{Strongest}")));
        double c = json.RootElement.GetProperty("features")[0].GetProperty("scale").GetDouble();
        Assert.Equal(c, double.Parse(await at.Page.InputValueAsync("input[aria-label='c as a number']"), CultureInfo.InvariantCulture), 1e-6);
        await at.Picture("feature-dark");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_text_of_ones_own_is_read_while_it_is_typed()
    {
        await using var at = await browser.Open(run, $"/features/{Strongest}");
        await at.Page.FillAsync("#own", "The old <b>man</b> went down to the sea & sang.");
        await at.Page.WaitForSelectorAsync("#try-result");
        Assert.Equal("The old <b>man</b> went down to the sea & sang.", (await at.Page.Locator("#try .tokens").TextContentAsync())!.Trim());
        Assert.Equal(0, await at.Page.Locator("#try b").CountAsync());
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_reading_is_what_the_sae_encodes()
    {
        await run.Explored.Ask("test", bench =>
        {
            var reading = LatentReading.Of(bench, Strongest, "She saw the sea.");
            using var ids = TorchSharp.torch.tensor(reading.Ids.Select(i => (long)i).ToArray()).unsqueeze(0);
            float[] f = bench.Sae.Encode(bench.Model.Activations(bench.At, ids))[0].select(-1, Strongest).contiguous().data<float>().ToArray();
            Assert.Equal(f, reading.Activations);
            Assert.Equal(f.Select(a => a > 0), reading.PreActivations.Select(z => z > 0));
            Assert.Throws<ArgumentException>(() => LatentReading.Of(bench, 0, new string('x', 100_000)));
            return 0;
        });
    }

    [Fact]
    public async Task A_latent_that_is_not_there_is_said()
    {
        foreach (string name in (string[])["999999", "-1", "dog"])
        {
            using var page = await run.Http.GetAsync(At("/features/" + name));
            Assert.Equal(HttpStatusCode.NotFound, page.StatusCode);
            string html = WebUtility.HtmlDecode(await page.Content.ReadAsStringAsync());
            Assert.Contains($"There is no latent “{name}”", html, StringComparison.Ordinal);
            Assert.Contains("This SAE has latents 0 to", html, StringComparison.Ordinal);
        }
        foreach (string path in (string[])["/api/features/999999", "/api/features/999999/prediction?scale=2"])
        {
            using var answer = await run.Http.GetAsync(At(path));
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            Assert.Contains("there is no latent 999999; this SAE has latents 0 to", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_api_answers_what_the_command_line_prints()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(0, App.Run(["show", "feature", $"{Strongest}", "--run", run.Explored.Run.Files.Folder, "--json", "--scale", "0.5"], output, error));
        string answer = await run.Http.GetStringAsync(At($"/api/features/{Strongest}?contexts=5&scale=0.5"));
        Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(System.Text.Json.Nodes.JsonNode.Parse(output.ToString()), System.Text.Json.Nodes.JsonNode.Parse(answer)));
    }

    [Fact]
    public async Task The_widths_show_less_and_more_of_a_context()
    {
        async Task<int> Length(string width)
        {
            await using var at = await browser.Open(run, $"/features/{Strongest}?width={width}");
            at.EnsureNoErrors();
            return (await at.Page.Locator(".contexts li").First.TextContentAsync())!.Length;
        }
        int little = await Length("short"), some = await Length("window"), all = await Length("full");
        Assert.True(little < some && some < all);
    }

    [Fact]
    public async Task Keys_lead_to_the_next_and_the_previous_feature()
    {
        await using var at = await browser.Open(run, "/features/3");
        await at.Page.Keyboard.PressAsync("n");
        await at.Page.WaitForSelectorAsync("h1:has-text('Latent 4')");
        await at.Page.WaitForFunctionAsync("density => document.querySelector('#density').innerText === density", Number.Percent(Index.Density[4]));
        await at.Live();
        await at.Page.Keyboard.PressAsync("p");
        await at.Page.WaitForSelectorAsync("h1:has-text('Latent 3')");
        await at.Live();
        await at.Page.WaitForFunctionAsync("() => [...document.querySelectorAll('main input:not([type=hidden]):not([aria-label]), main textarea')].every(e => e.labels.length > 0)"); // every field has its label
        at.EnsureNoErrors();
    }

    [Fact]
    public void A_picture_holds_every_token_and_of_the_activations_every_firing()
    {
        for (int latent = 0; latent < Index.DSae; latent += 101)
        {
            var h = Index.Histogram(latent);
            double[] edges = [.. Enumerable.Range(0, 51).Select(i => h.Edge(0) + (h.Edge(h.Counts.Count) - h.Edge(0)) * i / 50)];
            Assert.Equal(Index.Header.Tokens, h.Spread(edges).Sum(), 1e-6 * Index.Header.Tokens);
            Assert.Equal(Index.Fired[latent], h.Spread(edges, above: h.Threshold).Sum(), 1e-6 * Index.Header.Tokens);
            Assert.Equal(Index.Header.Tokens, h.Spread(edges, -2, 0.1).Sum(), 1e-6 * Index.Header.Tokens);
        }
    }

    [Fact]
    public void Words_say_what_the_dials_do()
    {
        var h = Index.Histogram(Strongest);
        float max = Index.Max[Strongest];
        Assert.Equal([DialWord.Unchanged], DialPrediction.Of(h, 1, 0).Words);
        Assert.Equal([DialWord.Off], DialPrediction.Of(h, 1, -2 * max).Words);
        Assert.Equal([DialWord.Off], DialPrediction.Of(h, 0, 0).Words);
        Assert.Contains(DialWord.AlwaysOn, DialPrediction.Of(h, 1, 1000 * max).Words);
        Assert.Contains(DialWord.Inverted, DialPrediction.Of(h, -1, 0).Words);
        Assert.Equal([DialWord.Louder], DialPrediction.Of(h, 2, 0).Words);
        Assert.Equal([DialWord.Quieter], DialPrediction.Of(h, 0.5, 0).Words);
        Assert.Equal([DialWord.Later, DialWord.Quieter], DialPrediction.Of(h, 1, -max / 4).Words);
        Assert.Equal([DialWord.Earlier, DialWord.Louder], DialPrediction.Of(h, 1, max / 4).Words.Where(w => w != DialWord.AlwaysOn));
        Assert.Equal([DialWord.Barely], DialPrediction.Of(h, 1.0001, 0).Words);
    }
}
