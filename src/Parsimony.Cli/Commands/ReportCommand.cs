using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony report</c>.</summary>
internal sealed record ReportOptions
{
    [Positional]
    [Description("run folder")]
    public required string Run { get; init; }

    [Description("contexts of the index's text to measure on what fine-tuning moved")]
    public int MaxContexts { get; init; } = 500;

    [Description("features to show")]
    public int Features { get; init; } = 10;

    [Description("most moved features to show")]
    public int MostMoved { get; init; } = 8;

    [Description("contexts to show of each feature")]
    public int ContextsPerFeature { get; init; } = 5;

    [Description("what to let the model write on, before and after fine-tuning")]
    public string[] Prompts { get; init; } = [];

    public SamplingOptions Sampling { get; init; } = new() { MaxNewTokens = 60, Temperature = 0.8, TopP = 0.95 };
}

/// <summary><c>parsimony report</c>: features with their contexts, what fine-tuning moved, text before and after, one page of it all.</summary>
internal static class ReportCommand
{
    public static Command Create() => CliCommand.Create<ReportOptions>(
        "report", "Looks at a run's features and writes report.json and the self-contained report.html.",
        (options, terminal) =>
        {
            var run = RunFolder.Existing(options.Run);
            using var sae = LoadedSae.Open(options.Run, model: null, hook: null);
            var report = Run(sae, options, run, terminal);
            terminal.Say($"report: {run.Html}");
            return report;
        },
        ["parsimony report runs/pythia", "parsimony report runs/pythia --features 20 --prompts \"The sea was\""]);

    /// <summary>Fills in the features and samples, and writes the page.</summary>
    public static RunReport Run(LoadedSae sae, ReportOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run.Remember("report", options, isBegun: false);
        using var index = IndexCommand.OpenOrMake(sae, options.Run, run, terminal);
        var contexts = Enumerable.Range(0, Math.Min(options.MaxContexts, index.Header.Contexts)).Select(index.Context).ToList();

        using var saes = LoadedSaes.Of(sae, run.DialsOrNull);
        using var adapter = run.DialsOrNull is { } folder ? saes.Load(folder) : null;
        var dials = adapter?.Dials.FirstOrDefault(d => d.At == sae.At);
        var moved = dials is null ? null : Movement(sae, adapter!, contexts, terminal);
        var (shown, panels) = Features(sae, index, options, moved);
        var samples = Samples(sae.Model, options, adapter, contexts, terminal);

        var report = run.Update(r => r with
        {
            Command = CommandLine(),
            Features = [.. shown.Select(latent => panels[latent])],
            MostMoved = moved is null ? null : [.. MostMoved(moved, options.MostMoved).Select(latent => WithDials(panels[latent], dials!, moved))],
            Samples = samples,
            Seconds = r.Seconds.With("report", clock),
        });
        WritePage(report, run);
        return report;
    }

    /// <summary>Writes report.html and its pictures.</summary>
    public static void WritePage(RunReport report, RunFolder run)
    {
        static string? Metrics(string folder) => Path.Combine(folder, "metrics.jsonl") is var path && File.Exists(path) ? path : null;
        ReportHtml.Write(run.Html, report, Curve.OfRun(run.Metrics, Metrics(run.FineTuning), Metrics(run.Rlhf)), run.Plots);
    }

    /// <summary>Of text, which has neither prompt nor response, all tokens count.</summary>
    private static DialEffects Movement(LoadedSae sae, DialAdapter adapter, IReadOnlyList<int[]> contexts, Terminal terminal)
    {
        using var prefixes = new PrefixCache(sae.Model.Model, adapter.Hooks[0], 0);
        var (seam, change) = (DialSeam.Of(prefixes, adapter) with { Positions = TokenPositions.All }, DialChange.Of(adapter));
        return DialEffects.Measure(seam.Only(sae.At, change), seam.Part(change, sae.At), [.. contexts.Select(c => new SftExample(c, 1))], terminal.Interrupted);
    }

    /// <summary>The features to show and the moved ones together.</summary>
    private static (IReadOnlyList<int> Shown, Dictionary<int, FeaturePanel> Panels) Features(LoadedSae sae, FeatureIndex index, ReportOptions options, DialEffects? moved)
    {
        int[] shown = LatentChoice.Of(index, options.Features);
        var all = shown.Union(moved is null ? [] : MostMoved(moved, options.MostMoved));
        return (shown, all.ToDictionary(latent => latent, latent => FeaturePanel.Of(index.Card(latent), sae.Model.Tokenizer, options.ContextsPerFeature)));
    }

    private static IEnumerable<int> MostMoved(DialEffects moved, int count) =>
        Enumerable.Range(0, moved.Effect.Length).OrderByDescending(i => moved.Effect[i]).Take(count).Where(i => moved.Effect[i] > 0);

    private static FeaturePanel WithDials(FeaturePanel panel, FeatureDials dials, DialEffects moved)
    {
        using var scope = NewDisposeScope();
        return panel with
        {
            Scale = dials.Scale()[panel.Latent].item<float>(),
            Shift = dials.Shift()[panel.Latent].item<float>(),
            Effect = moved.Effect[panel.Latent],
            DensityAfter = moved.Killed.Contains(panel.Latent) ? 0 : null,
        };
    }

    /// <summary>The same prompts and seed with the dials at rest and as learned.</summary>
    private static List<TextSample> Samples(
        LoadedModel model, ReportOptions options, DialAdapter? adapter, IReadOnlyList<int[]> contexts, Terminal terminal)
    {
        var tokenizer = model.Tokenizer;
        string[] prompts = options.Prompts.Length > 0 ? options.Prompts
            : [.. contexts.Take(3).Select(c => tokenizer.Decode(c.AsSpan(0, Math.Min(12, c.Length))))];
        int[][] ids = [.. prompts.Select(tokenizer.EncodeDocument)];
        string[] Write(Tap? tap) =>
            [.. Generation.Generate(model.Model, ids, options.Sampling, tap, tokenizer.EndOfTextId, cancellation: terminal.Interrupted)
                .Select(row => GenerateCommand.Text(tokenizer, row))];
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        var before = Write(adapter?.Rest());
        var after = adapter is null ? null : Write(adapter.WhileGenerating(ids.Max(row => row.Length)));
        return [.. prompts.Select((prompt, i) => new TextSample { Prompt = prompt, Before = before[i], After = after?[i] })];
    }

    private static string CommandLine() => "parsimony " + string.Join(' ',
        Environment.GetCommandLineArgs().Skip(1).Select(a => a.Contains(' ') ? $"\"{a}\"" : a));
}
