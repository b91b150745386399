using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Parsimony.Cli;
using Parsimony.Exploration.Index;
using Parsimony.Tests;
using Xunit;

namespace Parsimony.Explorer.Tests;

/// <summary><c>parsimony explore</c>, and run folders that are not as they should be.</summary>
public sealed partial class ExploreCommandTests(DemoRun run)
{
    private static (int Code, string Output, string Error) Run(CancellationToken interrupted, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (App.Run(args, output, error, interrupted), output.ToString(), error.ToString());
    }

    /// <summary>A copy of the run that may be spoilt.</summary>
    private TemporaryFolder Copy()
    {
        var folder = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(run.RunFolder, "*", SearchOption.AllDirectories))
        {
            string to = folder.File(Path.Combine("spoilt", Path.GetRelativePath(run.RunFolder, file)));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        return folder;
    }

    private static async Task<string> Home(string folder, string path = "/")
    {
        await using var app = ExplorerServer.Create(Cli.Commands.ExploreCommand.Source(new() { Run = folder }), new ExplorerOptions { Port = 0 });
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(ExplorerServer.AddressOf(app)) };
        string page = WebUtility.HtmlDecode(await http.GetStringAsync(new Uri(path, UriKind.Relative)));
        await app.StopAsync();
        return page;
    }

    [Fact]
    public async Task It_says_where_it_listens_answers_there_and_ends_when_it_is_interrupted()
    {
        using var stop = new CancellationTokenSource();
        using var output = new StringWriter();
        using var error = StringWriter.Null;
        var said = TextWriter.Synchronized(output);
        var running = Task.Run(() => App.Run(["explore", run.RunFolder, "--port", "0", "--no-index"], said, error, stop.Token));
        string? address = null;
        while (address is null && !running.IsCompleted)
        {
            address = Address().Match(output.ToString()) is { Success: true } match ? match.Value : null;
            await Task.Delay(50);
        }
        using var http = new HttpClient();
        Assert.Contains("\"ok\"", await http.GetStringAsync(new Uri(address + "/healthz")), StringComparison.Ordinal);
        await stop.CancelAsync();
        Assert.Equal(0, await running);
    }

    [Fact]
    public void A_second_server_on_a_port_is_refused_with_what_to_do()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var (code, _, error) = Run(CancellationToken.None, "explore", run.RunFolder, "--port", $"{port}", "--no-index");
        Assert.Equal(1, code);
        Assert.Contains($"port {port} of 127.0.0.1 is taken", error, StringComparison.Ordinal);
        Assert.Contains("--port", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "is not a run folder", "nowhere")]
    [InlineData(1, "address is 'lab'", "RUN", "--address", "lab")]
    [InlineData(1, "port is 70000", "RUN", "--port", "70000")]
    public void What_cannot_be_explored_is_said(int code, string message, params string[] args)
    {
        var (actual, _, error) = Run(CancellationToken.None, ["explore", .. args.Select(a => a == "RUN" ? run.RunFolder : a)]);
        Assert.Equal(code, actual);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_that_is_half_written_and_a_log_that_ends_in_half_a_line_are_no_end_of_the_page()
    {
        using var folder = Copy();
        string spoilt = folder.File("spoilt");
        File.WriteAllText(Path.Combine(spoilt, "report.json"), "{\"version\": \"0.1.0\", \"ce_cle");
        File.AppendAllText(Path.Combine(spoilt, "metrics.jsonl"), "{\"step\": 99999, \"lo");
        string page = await Home(spoilt);
        Assert.Contains("No report yet", page, StringComparison.Ordinal);
        Assert.Contains("report.json", page, StringComparison.Ordinal);
        Assert.Contains("<svg", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_index_of_another_SAE_is_refused_by_name_and_so_is_one_that_was_cut_off()
    {
        using var folder = Copy();
        string spoilt = folder.File("spoilt"), index = Path.Combine(spoilt, FeatureIndex.FolderName, "features.bin"), weights = Path.Combine(spoilt, "sae", "sae_weights.safetensors");
        byte[] good = File.ReadAllBytes(weights), other = [.. good];
        other[^1] ^= 1;
        File.WriteAllBytes(weights, other);
        Assert.Contains("is the feature index of another SAE", await Home(spoilt, "/features"), StringComparison.Ordinal);
        File.WriteAllBytes(weights, good);
        using (var file = File.OpenWrite(index)) file.SetLength(file.Length / 2);
        string page = await Home(spoilt, "/features");
        Assert.Contains("features.bin", page, StringComparison.Ordinal);
        Assert.Contains("parsimony index", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_reading_is_allowed_where_nothing_may_be_saved()
    {
        await using var app = ExplorerServer.Create(Cli.Commands.ExploreCommand.Source(new() { Run = run.RunFolder }), new ExplorerOptions { Port = 0, ReadOnly = true });
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(ExplorerServer.AddressOf(app)) };
        foreach (var (method, path, body) in ((HttpMethod, string, string)[])[(HttpMethod.Put, "/api/labels/1", "{\"label\":\"x\"}"), (HttpMethod.Post, "/api/adapters", "{\"name\":\"x\",\"edit\":\"1c2\"}")])
        {
            using var request = new HttpRequestMessage(method, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            using var answer = await http.SendAsync(request);
            Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
            Assert.Contains("--read-only", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        await app.StopAsync();
    }

    [GeneratedRegex("http://127.0.0.1:[0-9]+")]
    private static partial Regex Address();
}
