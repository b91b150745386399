using Microsoft.AspNetCore.Builder;
using Parsimony.Cli;
using Parsimony.Cli.Commands;
using Xunit;

[assembly: AssemblyFixture(typeof(Parsimony.Explorer.Tests.DemoRun))]

namespace Parsimony.Explorer.Tests;

/// <summary>The demo, cut short, and the explorer on it: one for all tests. What is read from it is real: an SAE, an index, dials learned by SFT and by PPO, an analysis.</summary>
public sealed class DemoRun : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("parsimony-explorer-").FullName;
    private WebApplication? app;

    /// <summary>The run folder.</summary>
    public string Folder => Path.Combine(folder, "demo");

    /// <summary>The run that is shown.</summary>
    public string RunFolder => Explored.Run.Files.Folder;

    /// <summary>Where the explorer listens, such as <c>http://127.0.0.1:41234</c>.</summary>
    public string Address { get; private set; } = "";

    /// <summary>What the pages show.</summary>
    public Explored Explored => (Explored)app!.Services.GetService(typeof(Explored))!;

    /// <summary>Asks the server; cookies are not kept.</summary>
    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseCookies = false });

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        // A run that is there already is shown instead: PARSIMONY_EXPLORER_TEST_RUN=runs/demo makes the screenshots of the README.
        string run = Environment.GetEnvironmentVariable("PARSIMONY_EXPLORER_TEST_RUN") is { Length: > 0 } given ? given : Folder;
        if (run == Folder) Make();
        app = ExplorerServer.Create(ExploreCommand.Source(new ExploreOptions { Run = run }), new ExplorerOptions { Port = 0 });
        await app.StartAsync();
        Address = ExplorerServer.AddressOf(app);
        Http.BaseAddress = new Uri(Address);
    }

    private void Make()
    {
        string assets = Path.Combine(Parsimony.Tests.Shared.RepositoryRoot(), "assets", "demo"), prompts = Path.Combine(folder, "prompts.jsonl"), words = Path.Combine(folder, "words.txt");
        Run("demo", "--out", Folder, "--training-tokens", "80000", "--finetune-steps", "20");
        File.WriteAllLines(prompts, File.ReadLines(Path.Combine(assets, "stories.txt")).Where(line => line.Length > 80).Take(64)
            .Select(line => System.Text.Json.JsonSerializer.Serialize(new { prompt = string.Join(' ', line.Split(' ').Take(14)) })));
        File.WriteAllLines(words, "the a and of to was it in he she they his her that with you had not but for on all said were be at so as there when".Split(' ')); // common ones: every text earns something
        Run("rlhf", Folder, "--prompts", prompts, "--lexicon", words, "--steps", "2", "--batch-size", "32", "--max-new-tokens", "12", "--continuations", "32", "--learning-rate", "0.01");
        Run("analyse", Folder, "--of", "rlhf", "--null-runs", "1", "--continuations", "32", "--examples", "16", "--leave-one-out", "4", "--random-controls", "1", "--doses", "3", "--ledger-steps", "9", "--batch-size", "32");
    }

    private static void Run(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.True(App.Run(args, output, error) == 0, $"{string.Join(' ', args)}: {error}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        if (app is not null)
        {
            await app.StopAsync();
            await app.DisposeAsync();
        }
        Directory.Delete(folder, recursive: true);
    }
}
