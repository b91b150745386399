using System.Net.Http.Json;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary>Tests that look at the whole queue, each run while no other asks for the model.</summary>
[CollectionDefinition(nameof(AloneWithTheModel), DisableParallelization = true)]
public sealed class AloneWithTheModel;

/// <summary>Who leaves stops the writing.</summary>
[Collection(nameof(AloneWithTheModel))]
public sealed class CompareStopTests(DemoRun run)
{
    private string Adapter => run.Explored.Run.Files.Adapters()[^1].Name;

    [Fact]
    public async Task A_listener_that_goes_away_stops_the_writing()
    {
        JsonContent Body() => JsonContent.Create(new { prompt = "The wolf", adapter = Adapter, max_new_tokens = 240, temperature = 0 });
        using (var warm = await run.Http.PostAsync(new Uri("/api/generate", UriKind.Relative), Body())) await warm.Content.ReadAsStringAsync();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        using (var whole = await run.Http.PostAsync(new Uri("/api/generate", UriKind.Relative), Body())) await whole.Content.ReadAsStringAsync();
        var took = clock.Elapsed;
        // A client that reads an answer to its end to keep the connection has not gone away.
        using var leaver = new HttpClient(new SocketsHttpHandler { ResponseDrainTimeout = TimeSpan.Zero }) { BaseAddress = run.Http.BaseAddress };
        clock.Restart();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/generate") { Content = Body() };
        using (var answer = await leaver.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
            Assert.StartsWith("event: token", await reader.ReadLineAsync(), StringComparison.Ordinal);
        }
        while (run.Explored.Queue.Count > 0 && clock.Elapsed < took) await Task.Delay(5);
        Assert.True(clock.Elapsed < took * 0.25, $"{clock.Elapsed} after leaving, {took} for the whole");
    }
}
