using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Steering;
using Parsimony.FineTuning;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Latents changed by hand.</summary>
public sealed class SteerPageTests(DemoRun run, Browser browser)
{
    private int Loud => run.Explored.Index!.Ranked(Parsimony.Exploration.Index.IndexColumn.Mean)[0];

    [Fact]
    public async Task A_latent_is_added_turned_and_written_with_and_the_view_is_an_address()
    {
        await using var at = await browser.Open(run, "/steer?length=8");
        await at.Page.FillAsync("#find", $"{Loud}");
        await at.Page.ClickAsync($"[data-add='{Loud}']");
        await at.Page.WaitForSelectorAsync("[data-push]");
        await at.Page.ClickAsync("button.main");
        await at.Page.WaitForFunctionAsync("() => document.querySelector('[aria-busy=false]') && document.querySelectorAll('[data-side=steered] [data-token]').length > 3");
        string address = at.Page.Url, text = await at.Page.InnerTextAsync("[data-side=steered]");
        Assert.Contains($"edit={Loud}x", address, StringComparison.Ordinal);
        await at.Picture("steer");
        await at.Go(address);
        await at.Page.WaitForFunctionAsync("wanted => document.querySelector('[aria-busy=false]') && document.querySelector('[data-side=steered]')?.innerText === wanted", text);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task An_edit_that_is_none_of_this_SAEs_is_said()
    {
        await using var at = await browser.Open(run, "/steer?edit=99999999x1");
        Assert.Contains("there is no latent '99999999'", await at.Page.InnerTextAsync("[role=alert]"), StringComparison.Ordinal);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task A_held_latent_saved_as_an_adapter_does_the_same_to_the_logits()
    {
        var edits = FeatureEdits.Parse(null, null, null, $"{Loud}x2.5_{(Loud + 1) % run.Explored.Index!.DSae}c1.5d0.1", run.Explored.Index.DSae);
        string folder = await run.Explored.Ask("test", bench => SteeredAdapter.Save(bench, run.Explored, edits, "held-loud"));
        try
        {
            var (dials, metadata) = AdapterFolder.Load(folder);
            Assert.Equal(run.Explored.Run.SaeSha256, Assert.Single(metadata.Hooks).SaeSha256);
            dials[0].Dispose();
            double off = await run.Explored.Ask("test", bench =>
            {
                var ids = TorchSharp.torch.tensor(PromptAnalysis.Encode(bench, "The old king was afraid.").Select(i => (long)i).ToArray()).unsqueeze(0);
                using var edited = bench.Edited(edits);
                using var saved = bench.Edited(new FeatureEdits { Adapter = "held-loud" });
                return (bench.Model.Forward(ids, edited.Tap()) - bench.Model.Forward(ids, saved.Tap())).abs().max().item<float>();
            });
            Assert.True(off < 1e-4, $"logits are {off} apart");
            using var again = await run.Http.PostAsJsonAsync("/api/adapters", new { name = "held-loud", edit = $"{Loud}x1" });
            Assert.Equal(HttpStatusCode.BadRequest, again.StatusCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("../out", "1x1", "cannot be the name")]
    [InlineData("fine", "", "nothing is edited")]
    [InlineData("fine", "1x-2", "cannot be saved")]
    public async Task What_cannot_be_saved_is_refused(string name, string edit, string message)
    {
        using var answer = await run.Http.PostAsJsonAsync("/api/adapters", new { name, edit });
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(message, JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_done_is_the_plain_model_to_the_bit_and_pushes_nothing() => Assert.True(await run.Explored.Ask("test", bench =>
    {
        var ids = TorchSharp.torch.tensor(PromptAnalysis.Encode(bench, "One day").Select(i => (long)i).ToArray()).unsqueeze(0);
        using var edited = bench.Edited(FeatureEdits.None);
        return edited.Tap() is null && EditStrength.Of(bench, FeatureEdits.None, [1, 2]) == 0;
    }));
}
