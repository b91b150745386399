using Microsoft.AspNetCore.Builder;
using Parsimony.Exploration.Index;
using Parsimony.Models;
using Parsimony.Tests;
using Parsimony.Tokens;
using TorchSharp;

namespace Parsimony.Explorer.Tests;

/// <summary>A run folder that holds an index and nothing else, made of a random model and a random SAE, and the explorer on it.</summary>
public sealed class SyntheticRun : IAsyncDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly WebApplication app;

    private SyntheticRun(int dSae, Func<Tokenizer, IReadOnlyList<int[]>> text, int vocabulary)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));
        string run = Directory.CreateDirectory(Path.Combine(folder.Path, "synthetic")).FullName;
        var config = Some.Config() with { DVocab = vocabulary == 0 ? tokenizer.VocabularySize : vocabulary };
        using (torch.no_grad())
        using (var model = new Transformer(config, Some.Weights(config)))
        using (var sae = Some.Sae(dSae: dSae))
        using (var builder = new FeatureIndexBuilder(Path.Combine(run, "index"), model, new HookPoint(1, HookSite.MlpOut), sae, text(tokenizer), new("synthetic", Text: "a text"),
            new() { MeasuredLatents = Math.Min(dSae, 32), Neighbours = dSae > 10000 ? 0 : 8 }))
            builder.Build();
        app = ExplorerServer.Create(new ExplorerSource { RunFolder = run, OpenTokenizer = () => tokenizer }, new ExplorerOptions { Port = 0 });
    }

    /// <summary>What the pages show.</summary>
    public Explored Explored => (Explored)app.Services.GetService(typeof(Explored))!;

    /// <summary>Where it listens.</summary>
    public string Address => ExplorerServer.AddressOf(app);

    /// <summary>Asks it.</summary>
    public HttpClient Http { get; } = new();

    /// <summary>Makes one and starts it.</summary>
    /// <param name="dSae">Latents.</param>
    /// <param name="text">Its contexts.</param>
    /// <param name="vocabulary">Tokens of the model; 0: as many as the tokenizer has.</param>
    public static async Task<SyntheticRun> Start(int dSae, Func<Tokenizer, IReadOnlyList<int[]>> text, int vocabulary = 0)
    {
        var run = new SyntheticRun(dSae, text, vocabulary);
        await run.app.StartAsync();
        run.Http.BaseAddress = new Uri(run.Address);
        return run;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        folder.Dispose();
    }
}
