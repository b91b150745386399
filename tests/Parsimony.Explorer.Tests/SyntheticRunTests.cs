using System.Net;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tests;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Indices that the demo has not: odd text, very many latents, none at all.</summary>
public sealed class SyntheticRunTests(Browser browser)
{
    private const string Odd = "<b>bold</b> & \"quoted\" <script>alert(1)</script> مرحبا بالعالم 😀👩‍🚀 漢字仮名 \t\u0001 café ";

    private static IReadOnlyList<int[]> OddContexts(Tokenizer tokenizer)
    {
        int[] ids = tokenizer.Encode(Odd);
        return [.. Enumerable.Range(0, 12).Select(start => Enumerable.Range(0, 48).Select(t => ids[(start * 7 + t) % ids.Length]).ToArray())];
    }

    [Fact]
    public async Task Odd_text_is_shown_right_and_markup_in_it_stays_text()
    {
        await using var run = await SyntheticRun.Start(64, OddContexts);
        await using var at = await browser.Open(run.Address, "/features");
        await at.Page.WaitForSelectorAsync("a[data-row]");
        Assert.Equal(0, await at.Page.Locator("main b, main script").CountAsync());
        var shown = new System.Text.StringBuilder(await at.Page.InnerTextAsync("main"));
        foreach (int latent in (int[])[0, 1, 2, 3])
        {
            await at.Go($"/features/{latent}?width=full");
            Assert.Equal(0, await at.Page.Locator("main b, main script").CountAsync());
            shown.Append(await at.Page.InnerTextAsync("main"));
        }
        string text = shown.ToString();
        foreach (string word in (string[])["<b>", "</script>", "مرحبا", "😀", "漢字", "café"]) Assert.Contains(word, text, StringComparison.Ordinal);
        Assert.DoesNotContain('\uFFFD', text);
        await at.Picture("feature-odd-text");
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Of_131072_latents_a_screenful_is_sent_and_every_one_is_found()
    {
        await using var run = await SyntheticRun.Start(131_072, _ => Some.Contexts(), vocabulary: 40);
        var index = run.Explored.Index!;
        Assert.Equal(131_072, index.DSae);
        async Task<string> Get(string path) => await run.Http.GetStringAsync(new Uri(path, UriKind.Relative));
        Assert.InRange((await Get("/features?sort=density")).Length, 1, 200_000); // not all of them in one page
        Assert.Contains("Latent 131071", await Get("/features/131071"), StringComparison.Ordinal);
        Assert.Contains("\"latent\":131071", (await Get("/api/features?query=%23131071")).Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.InRange((await Get("/sae")).Length, 1, 2_000_000); // its scatter is thinned
    }

    [Fact]
    public async Task How_far_dials_move_a_latent_is_what_a_pass_over_the_text_finds()
    {
        await using var run = await SyntheticRun.Start(32, _ => Some.Contexts(count: 20), vocabulary: 40);
        var index = run.Explored.Index!;
        using var noGradient = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        using var model = Some.Model();
        using var sae = Some.Sae();
        var ids = torch.tensor(Some.Contexts(count: 20).SelectMany(c => c).Select(i => (long)i).ToArray()).view(20, -1);
        var z = sae.PreActivations(model.Activations(new HookPoint(1, HookSite.MlpOut), ids)).view(-1, 32);
        foreach (var (c, d) in ((double, double)[])[(0.5, 0), (2, -0.1), (1, 0.2), (-1, 0.05), (0, 0.3)])
        {
            double[] found = [.. ((c * z + d).relu() - z.relu()).abs().mean([0L]).data<float>().Select(m => (double)m)];
            for (int i = 0; i < 32; i++) Assert.Equal(found[i], index.Histogram(i).Moved(c, d), 0.05 * found[i] + 0.004); // eight bins to a doubling
        }
        Assert.Equal(0, index.Histogram(0).Moved(1, 0));
        for (int i = 0; i < 32; i++) Assert.Equal(index.Card(i).Similar[0].Likeness, index.NearestCosine(i));
    }

    [Fact]
    public async Task A_run_without_an_index_says_what_makes_one()
    {
        using var folder = new TemporaryFolder();
        await using var app = ExplorerServer.Create(new ExplorerSource { RunFolder = folder.Path }, new ExplorerOptions { Port = 0 });
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(ExplorerServer.AddressOf(app)) };
        foreach (string path in (string[])["/features", "/features/3", "/sae"])
            Assert.Contains("parsimony", await http.GetStringAsync(new Uri(path, UriKind.Relative)), StringComparison.Ordinal);
        Assert.Contains("parsimony index", await http.GetStringAsync(new Uri("/features", UriKind.Relative)), StringComparison.Ordinal);
        using var answer = await http.GetAsync(new Uri("/api/features", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        await app.StopAsync();
    }
}
