using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Parsimony.Exploration.Index;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Runs;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>What was changed, as numbers and over HTTP.</summary>
public sealed class CompareTests(DemoRun run)
{
    private string Adapter => run.Explored.Run.Files.Adapters()[^1].Name;

    [Theory]
    [InlineData("compare")]
    [InlineData("compare?adapter=rlhf&weight=-0.5&off=3.12&rank=predicted&sort=q&page=3&feature=7&prompt=a%20%26%20b%0Ac&seed=9&temperature=0.7&length=12")]
    [InlineData("compare?prompt=%D8%A7%D9%84%20%F0%9F%98%80&temperature=0")]
    [InlineData("steer?adapter=rlhf&weight=0.5&edit=7c2d-0.1_9x4.2&prompt=a&seed=3&temperature=0.5&length=20")]
    public void A_view_comes_back_from_its_address(string url)
    {
        var parts = (url.Split('?') is [_, var query] ? query : "").Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).ToDictionary(p => p[0], p => Uri.UnescapeDataString(p[1]));
        string? Of(string name) => parts.GetValueOrDefault(name);
        var address = new SidesAddress(url.Split('?')[0])
        {
            Edits = FeatureEdits.Parse(Of("adapter"), Of("weight"), Of("off"), Of("edit"), 20),
            Rank = Of("rank"),
            Sort = Of("sort"),
            Page = int.Parse(Of("page") ?? "1", System.Globalization.CultureInfo.InvariantCulture),
            Feature = Of("feature") is { } f ? int.Parse(f, System.Globalization.CultureInfo.InvariantCulture) : null,
            Prompt = Of("prompt") ?? "",
            Seed = long.Parse(Of("seed") ?? "0", System.Globalization.CultureInfo.InvariantCulture),
            Temperature = double.Parse(Of("temperature") ?? "1", System.Globalization.CultureInfo.InvariantCulture),
            Length = int.Parse(Of("length") ?? "48", System.Globalization.CultureInfo.InvariantCulture),
        };
        Assert.Equal(url, address.ToUrl());
    }

    [Fact]
    public void Shares_sum_to_one_and_every_order_lists_every_feature()
    {
        var of = Comparison.Of(run.Explored, Adapter, predicted: true)!;
        Assert.Equal(AdapterValues.Read(run.Explored.Run, Adapter).Changed.Order(), of.Features.Select(f => f.Latent).Order());
        Assert.Equal(RankedBy.Predicted, of.RankedBy);
        Assert.Equal(1, of.Features.Sum(f => f.Share), 1e-9);
        Assert.Equal(of.Features[0].Share, of.Lorenz.Top[1], 1e-9);
        foreach (string column in ComparedOrder.Columns) Assert.Equal(of.Features.Select(f => f.Latent).Order(), ComparedOrder.By(of.Features, column).Select(f => f.Latent).Order());
        var first = ComparedOrder.By(of.Features, "d");
        Assert.True(Math.Abs(first[0].Shift) >= Math.Abs(first[^1].Shift));
        Assert.Contains("no column 'x'", Assert.Throws<ArgumentException>(() => ComparedOrder.By(of.Features, "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_predicted_change_of_a_louder_latent_is_the_change_of_its_mean()
    {
        var index = run.Explored.Index!;
        int latent = index.Ranked(IndexColumn.Density)[0];
        var z = index.Histogram(latent);
        Assert.Equal(0, z.Moved(1, 0));
        double mean = z.Mean(1, 0).Value;
        Assert.Equal(mean, z.Moved(2, 0), 0.1 * mean);       // f' - f = f; a bin's tokens are taken to lie in its middle
        Assert.Equal(mean, z.Moved(0, 0), 0.1 * mean);       // off
        Assert.Contains(Parsimony.FineTuning.Analysis.DialWord.Louder, Parsimony.Exploration.DialPrediction.Of(z, 2, 0).Words);
        Assert.Equal([Parsimony.FineTuning.Analysis.DialWord.Off], Parsimony.Exploration.DialPrediction.Of(z, 0, 0).Words);
    }

    [Fact]
    public async Task The_comparison_is_served_and_an_adapter_that_is_not_there_is_said()
    {
        var json = await run.Http.GetFromJsonAsync<JsonElement>("/api/compare");
        Assert.True(json.GetProperty("changed").GetInt32() > 0);
        Assert.True(json.GetProperty("features").GetArrayLength() > 0);
        using var missing = await run.Http.GetAsync(new Uri("/api/compare?adapter=../etc", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Contains("this run has no adapter '../etc'; it has:", await missing.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("no column", await run.Http.GetStringAsync(new Uri("/compare?sort=x", UriKind.Relative)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Both_sides_are_sent_token_by_token_and_end()
    {
        using var answer = await run.Http.PostAsJsonAsync("/api/generate", new { prompt = "The wolf", adapter = Adapter, max_new_tokens = 5, seed = 3 });
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        var events = (await answer.Content.ReadAsStringAsync()).Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal)).Select(l => JsonSerializer.Deserialize<JsonElement>(l[6..])).ToList();
        Assert.Equal(["rest", "tuned", "rest", "tuned"], events.Take(4).Select(e => e.GetProperty("side").GetString()));
        Assert.All(events.SkipLast(1), e => Assert.True(e.GetProperty("log_prob").GetDouble() <= 0));
        Assert.True(events[^1].GetProperty("done").GetBoolean());
    }

    [Theory]
    [InlineData("{\"weight\": 3}", HttpStatusCode.BadRequest, "weight is 3; it must be -1 to 2")]
    [InlineData("{\"max_new_tokens\": 100000}", HttpStatusCode.BadRequest, "100000 new tokens are asked for")]
    [InlineData("{\"adapter\": \"none such\"}", HttpStatusCode.BadRequest, "this run has no adapter 'none such'")]
    [InlineData("{\"off\": [99999999]}", HttpStatusCode.BadRequest, "there is no latent '99999999'")]
    [InlineData("{\"temperature\": -1}", HttpStatusCode.BadRequest, "temperature is -1")]
    public async Task What_cannot_be_written_is_said_before_anything_is(string body, HttpStatusCode status, string message)
    {
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        using var answer = await run.Http.PostAsync(new Uri("/api/generate", UriKind.Relative), content);
        Assert.Equal(status, answer.StatusCode);
        Assert.Contains(message, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
