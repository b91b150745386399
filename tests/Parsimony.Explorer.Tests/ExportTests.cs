using System.Text.Json;
using Microsoft.Playwright;
using Parsimony.Cli;
using Parsimony.Explorer.Exporting;
using Parsimony.Tests;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>A run for those who do not have it.</summary>
public sealed class ExportTests(DemoRun run, Browser browser)
{
    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (App.Run(args, output, error), output.ToString(), error.ToString());
    }

    [Fact]
    public async Task Pages_open_from_disk_and_ask_no_server()
    {
        using var folder = new TemporaryFolder();
        var (code, _, error) = Run("export", "html", run.RunFolder, "--out", folder.Path, "--count", "5", "--json");
        Assert.True(code == 0, error);
        await using var at = await browser.Open(run, "/");
        var asked = new List<string>();
        at.Page.Request += (_, request) => asked.Add(request.Url);
        foreach (string page in (string[])["index.html", "features.html", "sae.html", "compare.html", "rlhf.html", "labels.html"])
        {
            await at.Page.GotoAsync("file://" + Path.Combine(folder.Path, page));
            Assert.Contains("A copy of the explorer", await at.Page.InnerTextAsync(".notice"), StringComparison.Ordinal);
            Assert.Equal(0, await at.Page.Locator(".fault[role=alert]").CountAsync());
        }
        await at.Page.GotoAsync("file://" + Path.Combine(folder.Path, "features.html"));
        await at.Page.Locator("tbody a").First.ClickAsync();
        await at.Page.WaitForSelectorAsync(".tokens span");
        Assert.Equal("Inter", await at.Page.EvaluateAsync<string>("document.fonts.size > 0 && getComputedStyle(document.body).fontFamily.split(',')[0]"));
        await at.Picture("exported");
        Assert.All(asked, url => Assert.True(url.StartsWith("file:", StringComparison.Ordinal) || url.StartsWith("data:", StringComparison.Ordinal), url));
        at.EnsureNoErrors();
    }

    [Fact]
    public void Features_are_written_in_the_shape_that_Neuronpedia_takes_in()
    {
        using var folder = new TemporaryFolder();
        var (code, _, error) = Run("export", "neuronpedia", run.RunFolder, "--out", folder.Path, "--count", "130", "--model-id", "demo", "--json");
        Assert.True(code == 0, error);
        Assert.Equal(["batch-0.json", "batch-1.json"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
        using var batch = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.Path, "batch-0.json")));
        Assert.Equal(["features", "layer", "model_id", "sae_id_suffix", "sae_set"], batch.RootElement.EnumerateObject().Select(p => p.Name).Order());
        var feature = batch.RootElement.GetProperty("features")[0];
        string[] keys =
        [
            "activations", "correlated_features_indices", "correlated_features_l1", "correlated_features_pearson", "correlated_neurons_indices", "correlated_neurons_l1", "correlated_neurons_pearson", "dataset",
            "decoder_weights_dist", "feature_index", "frac_nonzero", "freq_hist_data_bar_heights", "freq_hist_data_bar_values", "logits_hist_data_bar_heights", "logits_hist_data_bar_values", "n_prompts_total",
            "n_tokens_in_prompt", "neg_str", "neg_values", "neuron_alignment_indices", "neuron_alignment_l1", "neuron_alignment_values", "pos_str", "pos_values",
        ];
        Assert.Equal(keys, feature.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal));
        int latent = feature.GetProperty("feature_index").GetInt32();
        var card = run.Explored.Index!.Card(latent);
        Assert.Equal(card.Density, feature.GetProperty("frac_nonzero").GetDouble(), 1e-9);
        Assert.Equal(feature.GetProperty("freq_hist_data_bar_values").GetArrayLength(), feature.GetProperty("freq_hist_data_bar_heights").GetArrayLength());
        Assert.Equal(card.Fired, feature.GetProperty("freq_hist_data_bar_heights").EnumerateArray().Sum(h => h.GetDouble()), 0.01);
        Assert.Equal(run.Explored.Index.Header.DVocab, feature.GetProperty("logits_hist_data_bar_heights").EnumerateArray().Sum(h => h.GetDouble()), 0.01);
        var strongest = feature.GetProperty("activations")[0];
        Assert.Equal(card.MaxActivation, strongest.GetProperty("values")[strongest.GetProperty("qualifying_token_index").GetInt32()].GetDouble(), 1e-3);
        Assert.Equal(strongest.GetProperty("tokens").GetArrayLength(), strongest.GetProperty("values").GetArrayLength());
    }

    [Fact]
    public void A_page_stands_alone_and_its_links_lead_to_files_or_nowhere()
    {
        var files = new Dictionary<string, string> { [""] = "index.html", ["features/3"] = "features/3.html" };
        string page = StaticPage.Of("""<html><head><base href="/"><link href="assets/explorer.css"></head><body><!--Blazor:{"a":1}--><a class="brand" href>P</a><a href="features/3">3</a><a href="features/4">4</a><a href="prompt?text=x">p</a><main id="content">&lt;b&gt;</main><script src="_framework/blazor.web.js"></script></body></html>""", "features/9.html", files, "a copy");
        Assert.Contains("""href="../assets/explorer.css""", page, StringComparison.Ordinal);
        Assert.Contains("""<a class="brand" href="../index.html">P""", page, StringComparison.Ordinal);
        Assert.Contains("""<a href="../features/3.html">3""", page, StringComparison.Ordinal);
        Assert.Contains("""<a data-live-only="">4""", page, StringComparison.Ordinal);
        Assert.DoesNotContain("blazor", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<base", page, StringComparison.Ordinal);
        Assert.Contains("&lt;b&gt;", page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_exported_is_said()
    {
        Assert.Contains("there is no latent 9999999", Run("export", "html", run.RunFolder, "--latents", "9999999").Error, StringComparison.Ordinal);
        Assert.Contains("is not a run folder", Run("export", "neuronpedia", Path.Combine(run.RunFolder, "nowhere")).Error, StringComparison.Ordinal);
    }
}
