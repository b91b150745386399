using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Playwright;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Runs;
using Parsimony.FineTuning;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What was learned from rewards, step by step.</summary>
public sealed class RlhfPageTests(DemoRun run, Browser browser)
{
    private string Rlhf => run.Explored.Run.Files.Rlhf;

    private bool HasTrajectory => File.Exists(Path.Combine(Rlhf, DialTrajectory.FileName));

    [Fact]
    public async Task Curves_summary_samples_and_dials_are_shown_and_a_step_is_chosen()
    {
        await using var at = await browser.Open(run, "/rlhf");
        foreach (string what in (string[])["reward", "full_kl", "response_length", "entropy", "clip_fraction"])
            Assert.Equal(1, await at.Page.Locator($"figure[data-name$='rlhf-{what}'] svg").CountAsync());
        Assert.Contains("per 1000 tokens", await at.Page.InnerTextAsync("table >> nth=0"), StringComparison.Ordinal);
        Assert.True(await at.Page.Locator(".samples li").CountAsync() > 0);
        string last = await at.Page.InnerTextAsync(".samples");
        await at.Page.Locator("#step").FillAsync("0");
        await at.Page.WaitForFunctionAsync("() => location.search.includes('step=1')");
        Assert.NotEqual(last, await at.Page.InnerTextAsync(".samples"));
        Assert.Equal(HasTrajectory ? 2 : 0, await at.Page.Locator("figure[data-name^=trajectory] svg").CountAsync());
        await at.Picture("rlhf");
        string first = await at.Page.InnerTextAsync(".samples");
        await at.Go("/rlhf?step=1");
        Assert.Equal(first, await at.Page.InnerTextAsync(".samples"));
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task Learning_from_text_has_its_course_too_and_what_was_not_learned_is_said()
    {
        await using var at = await browser.Open(run, "/rlhf?of=finetune", ColorScheme.Dark);
        Assert.Equal("Learned from text", await at.Page.InnerTextAsync("h1"));
        await at.Picture("rlhf-finetune-dark");
        await at.Go("/rlhf?of=dpo");
        Assert.Contains("parsimony dpo", await at.Page.InnerTextAsync("main"), StringComparison.Ordinal);
        at.EnsureNoErrors();
    }

    [Fact]
    public async Task It_is_served_as_json_a_step_at_a_time()
    {
        var json = await run.Http.GetFromJsonAsync<JsonElement>("/api/rlhf?step=1");
        Assert.All(json.GetProperty("samples").EnumerateArray(), s => Assert.Equal(1, s.GetProperty("step").GetInt64()));
        Assert.True(json.GetProperty("samples").GetArrayLength() > 0);
        Assert.True(json.GetProperty("summary").GetProperty("continuations").GetInt32() > 0);
        Assert.Equal(HasTrajectory ? JsonValueKind.Object : JsonValueKind.Null, json.GetProperty("trajectories").ValueKind);
    }

    [Fact]
    public void A_trajectory_ends_at_the_dials_that_were_learned()
    {
        if (!HasTrajectory) Assert.Skip("this run was made before trajectories were kept");
        var dials = AdapterValues.Read(run.Explored.Run, "rlhf");
        var paths = Trajectories.Of(run.Explored, "rlhf")!;
        Assert.NotEmpty(paths.Latents);
        foreach (var path in paths.Latents)
        {
            Assert.Equal(dials.Scale[path.Latent], path.Scale[^1], Math.Abs(dials.Scale[path.Latent] - 1) / 1000 + 1e-5);
            Assert.Equal(dials.Shift[path.Latent], path.Shift[^1], Math.Abs(dials.Shift[path.Latent]) / 1000 + 1e-5);
        }
    }

    [Fact]
    public void Samples_are_found_while_they_are_written_and_half_a_line_is_waited_for()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("parsimony-samples-").FullName, "samples.jsonl");
        Assert.Empty(SampleLog.Steps(file));
        string Line(long step, string text) => $"{{\"step\":{step},\"prompt\":\"a\",\"text\":\"{text}\",\"reward\":1,\"parts\":{{}}}}\n";
        File.AppendAllText(file, Line(1, "b") + Line(1, "c") + Line(2, "d")[..9]);
        Assert.Equal([1L], SampleLog.Steps(file));
        File.AppendAllText(file, Line(2, "d")[9..]);
        Assert.Equal([1L, 2], SampleLog.Steps(file));
        Assert.Equal(["b", "c"], SampleLog.Of(file, 1).Select(s => s.Text));
        Assert.Equal("d", Assert.Single(SampleLog.Of(file, 2)).Text);
        File.WriteAllText(file, Line(1, "e"));                              // gone on from an earlier step
        Assert.Equal([1L], SampleLog.Steps(file));
        Assert.Equal("e", Assert.Single(SampleLog.Of(file, 1)).Text);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }
}
