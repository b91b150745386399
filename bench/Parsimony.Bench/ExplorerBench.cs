using System.ComponentModel;
using System.Diagnostics;
using System.Net.Http.Json;
using Parsimony.Autoencoders;
using Parsimony.Exploration.Index;
using Parsimony.Explorer;
using Parsimony.Explorer.Model;
using Parsimony.Models;
using Parsimony.Tokens;
using Parsimony.Training;
using static TorchSharp.torch;

namespace Parsimony.Bench;

/// <summary>What <c>parsimony bench explore</c> measures.</summary>
public sealed record ExplorerBenchOptions
{
    /// <summary>Latents. Default 16384, the article's.</summary>
    [Description("latents")]
    public int DSae { get; init; } = 16384;

    /// <summary>Share of latents that fire on a token. Default 0.005.</summary>
    [Description("share of the latents that fire on a token")]
    public double Density { get; init; } = 0.005;

    /// <summary>Tokens of the index. Default 32768.</summary>
    [Description("tokens of the index")]
    public int Tokens { get; init; } = 1 << 15;

    /// <summary>Tokens of the prompt that is looked at. Default 64.</summary>
    [Description("tokens of the prompt that is looked at")]
    public int PromptTokens { get; init; } = 64;

    /// <summary>Tokens that each generation writes. Default 48.</summary>
    [Description("tokens that each generation writes")]
    public int NewTokens { get; init; } = 48;

    /// <summary>Pages that use the model at once. Default 20.</summary>
    [Description("pages that use the model at once")]
    public int Clients { get; init; } = 20;

    /// <summary>Rounds, after one to warm up. Default 7.</summary>
    [Description("rounds, after one to warm up")]
    public int Rounds { get; init; } = 7;

    /// <summary>Returns these options, or says everything that is wrong with them.</summary>
    /// <exception cref="ArgumentException">One or more values are out of range.</exception>
    public ExplorerBenchOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(DSae >= 1, "d_sae", DSae, "1 or more");
        faults.Check(Density is > 0 and < 1, "density", Density, "above 0 and below 1");
        faults.Check(Tokens >= 128, "tokens", Tokens, "128 or more");
        faults.Check(PromptTokens is >= 2 and <= 128, "prompt_tokens", PromptTokens, "2 to 128");
        faults.Check(NewTokens >= 1, "new_tokens", NewTokens, "1 or more");
        faults.Check(Clients is >= 1 and <= ModelQueue.MostOfAll / 2, "clients", Clients, $"1 to {ModelQueue.MostOfAll / 2}");
        faults.Check(Rounds >= 1, "rounds", Rounds, "1 or more");
        faults.ThrowIfAny("The benchmark's options");
        return this;
    }
}

/// <summary>How fast the explorer answers, over HTTP, medians over rounds.</summary>
/// <param name="StartMilliseconds">From nothing to the first answer of the server, the model not opened yet.</param>
/// <param name="FeaturePageMilliseconds">A feature's page, another latent each time.</param>
/// <param name="ListMilliseconds">A screenful of the list of features, sorted and filtered in a way that was not asked for before.</param>
/// <param name="PromptMilliseconds">Latents of each token of a prompt, and what comes next.</param>
/// <param name="GenerationRatio">Tokens a second that arrive from both sides of a comparison, by those of the two texts written one after the other as the command line does.</param>
/// <param name="GenerationTokensPerSecond">What arrives.</param>
/// <param name="LoadedPromptMilliseconds">The prompt while so many pages as <see cref="ExplorerBenchOptions.Clients"/> have two texts written each.</param>
/// <param name="LoadedPageMilliseconds">A feature's page meanwhile.</param>
/// <param name="LoadedTokensPerSecond">What all of them get together.</param>
/// <param name="FairnessRatio">Seconds of the page that was done last by those of the first: 1 is even.</param>
/// <param name="LoadedBytes">Resident memory that was added by all those pages; null where the system does not tell.</param>
/// <param name="ForeignLoad">Share of the cores' time that other processes took.</param>
public sealed record ExplorerBenchRow(double StartMilliseconds, double FeaturePageMilliseconds, double ListMilliseconds, double PromptMilliseconds, double GenerationRatio, double GenerationTokensPerSecond,
    double LoadedPromptMilliseconds, double LoadedPageMilliseconds, double LoadedTokensPerSecond, double FairnessRatio, long? LoadedBytes, double ForeignLoad)
{
    /// <summary>Speed of an index' pass as a share of the plain harvest's; see <see cref="IndexBenchRow.IndexRatio"/>.</summary>
    public double IndexRatio { get; init; }
}

/// <summary>Times the explorer as its users meet it.</summary>
public static class ExplorerBench
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);

    /// <summary>Measures.</summary>
    /// <param name="model">The model; stays the caller's.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="contexts">Text to make an index of.</param>
    /// <param name="options">Shape and rounds.</param>
    /// <param name="roundDone">Told after each round.</param>
    /// <param name="cancellation">Stops between two rounds.</param>
    public static async Task<ExplorerBenchRow> Measure(Transformer model, Tokenizer tokenizer, IReadOnlyList<int[]> contexts, ExplorerBenchOptions options, Action<int>? roundDone = null, CancellationToken cancellation = default)
    {
        string folder = Directory.CreateTempSubdirectory("parsimony-bench-").FullName;
        try
        {
            var sae = Sae(model, contexts, options);
            using (var builder = new FeatureIndexBuilder(Path.Combine(folder, FeatureIndex.FolderName), model, At, sae, contexts, new("bench"), new() { MeasuredLatents = 0, Neighbours = 0 })) builder.Build(null, cancellation);
            var started = Stopwatch.StartNew();
            await using var app = ExplorerServer.Create(new ExplorerSource
            {
                RunFolder = folder,
                OpenTokenizer = () => tokenizer,
                OpenWorkbench = () => new Workbench(model, tokenizer, At, sae, [], sae),
            }, new ExplorerOptions { Port = 0 });
            await app.StartAsync(cancellation);
            using var http = new HttpClient { BaseAddress = new Uri(ExplorerServer.AddressOf(app)), Timeout = TimeSpan.FromMinutes(10) };
            await Get(http, "/healthz", cancellation);
            double start = started.Elapsed.TotalMilliseconds;

            string prompt = tokenizer.Decode(contexts[^1].AsSpan(0, options.PromptTokens));
            var rounds = new List<(double Page, double List, double Prompt, double Stream, double Plain)>();
            var loaded = new List<(double Page, double Prompt, double Rate, double Fairness)>();
            var load = new ForeignLoad();
            long? before = null;
            for (int round = -1; round < options.Rounds; round++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (round == 0) (load, before) = (new ForeignLoad(), ResidentMemory.Peak()); // round -1 warms up
                double page = await Get(http, $"/features/{(round + 2) * 997 % options.DSae}", cancellation);
                double list = await Get(http, FormattableString.Invariant($"/api/features?sort=max&min_density={(round + 2) * 1e-5}&take=100"), cancellation);
                double asked = await Ask(http, prompt, cancellation);
                double stream = (await Generate(http, prompt, options.NewTokens, round, cancellation)).Rate;
                double plain = Plain(model, tokenizer, prompt, options.NewTokens, round);
                var together = await Together(http, prompt, options, round, cancellation);
                if (round >= 0)
                {
                    rounds.Add((page, list, asked, stream, plain));
                    loaded.Add(together);
                }
                roundDone?.Invoke(round + 1);
            }
            long? added = ResidentMemory.Peak() - before;
            await app.StopAsync(CancellationToken.None);
            return new(start, Median.Of(rounds.Select(r => r.Page)), Median.Of(rounds.Select(r => r.List)), Median.Of(rounds.Select(r => r.Prompt)), Median.Of(rounds.Select(r => r.Stream / r.Plain)),
                Median.Of(rounds.Select(r => r.Stream)), Median.Of(loaded.Select(r => r.Prompt)), Median.Of(loaded.Select(r => r.Page)), Median.Of(loaded.Select(r => r.Rate)), Median.Of(loaded.Select(r => r.Fairness)), added, load.Share());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static StandardSae Sae(Transformer model, IReadOnlyList<int[]> contexts, ExplorerBenchOptions options)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var some = tensor(contexts.Take(8).SelectMany(c => c.Select(id => (long)id)).ToArray()).reshape(Math.Min(8, contexts.Count), -1);
        return NewbornSae.Of(options.DSae, options.Density, model.Activations(At, some).reshape(-1, model.Width(At.Site)));
    }

    // All pages have texts written at once; beside them one looks at a prompt and at features.
    private static async Task<(double Page, double Prompt, double Rate, double Fairness)> Together(HttpClient http, string prompt, ExplorerBenchOptions options, int round, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var all = Task.WhenAll(Enumerable.Range(0, options.Clients).Select(i => Generate(http, prompt, options.NewTokens, 100 * round + i, cancellation)));
        var pages = new List<double>();
        var prompts = new List<double>();
        do
        {
            pages.Add(await Get(http, $"/features/{(round + 2 + pages.Count) * 613 % options.DSae}", cancellation));
            prompts.Add(await Ask(http, prompt, cancellation));
        }
        while (!all.IsCompleted);
        var done = await all;
        return (Median.Of(pages), Median.Of(prompts), done.Sum(d => d.Tokens) / clock.Elapsed.TotalSeconds, done.Max(d => d.Seconds) / done.Min(d => d.Seconds));
    }

    private static async Task<double> Get(HttpClient http, string path, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        using var answer = await http.GetAsync(new Uri(path, UriKind.Relative), cancellation);
        await answer.Content.ReadAsByteArrayAsync(cancellation);
        answer.EnsureSuccessStatusCode();
        return clock.Elapsed.TotalMilliseconds;
    }

    private static async Task<double> Ask(HttpClient http, string prompt, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        using var answer = await http.PostAsJsonAsync("/api/prompt", new { text = prompt }, cancellation);
        await answer.Content.ReadAsByteArrayAsync(cancellation);
        answer.EnsureSuccessStatusCode();
        return clock.Elapsed.TotalMilliseconds;
    }

    private static async Task<(int Tokens, double Seconds, double Rate)> Generate(HttpClient http, string prompt, int tokens, long seed, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/generate") { Content = JsonContent.Create(new { prompt, max_new_tokens = tokens, seed = Math.Abs(seed) }) };
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        answer.EnsureSuccessStatusCode();
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(cancellation));
        int count = 0;
        while (await lines.ReadLineAsync(cancellation) is { } line)
            if (line == "event: token") count++;
        return (count, clock.Elapsed.TotalSeconds, count / clock.Elapsed.TotalSeconds);
    }

    private static double Plain(Transformer model, Tokenizer tokenizer, string prompt, int tokens, long seed)
    {
        var clock = Stopwatch.StartNew();
        int count = 0;
        for (int side = 0; side < 2; side++)
            count += Generation.Generate(model, [tokenizer.EncodeDocument(prompt)], new() { MaxNewTokens = tokens, Seed = Math.Abs(seed) }, endOfTextId: tokenizer.EndOfTextId)[0].Length;
        return count / clock.Elapsed.TotalSeconds;
    }
}
