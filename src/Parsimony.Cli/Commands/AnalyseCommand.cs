using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.Reporting;
using Parsimony.Splicing;
using Parsimony.Training;
using TorchSharp;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony analyse</c>.</summary>
internal sealed record AnalyseOptions
{
    [Positional]
    [Description("run folder in which dials were learned")]
    public required string Run { get; init; }

    [Description("which of the run's trainings: finetune, dpo or rlhf [default: the one that was done last]")]
    public LearnedBy? Of { get; init; }

    [Description("null runs of the same budget to compare with, each with another seed; the run's own counts as one")]
    public int NullRuns { get; init; } = 3;

    [Description("examples to analyse on and to ask who pushed a feature, each; the first ones")]
    public int Examples { get; init; } = 256;

    [Description("continuations to analyse a training from rewards on, half of them without the dials")]
    public int Continuations { get; init; } = 512;

    [Description("text to measure perplexity on [default: the run's own held-out text]")]
    public string? HeldOut { get; init; }

    [Description("SAE folder: retrained on the tuned model, to compare decoder directions with")]
    public string? Retrained { get; init; }

    [Description("other methods on the same task, for the picture of gain against cost: run folders, or adapter folders kept alone, which are measured here")]
    public string[] Against { get; init; } = [];

    public AnalysisOptions Analysis { get; init; } = new();

    /// <summary>These options, checked.</summary>
    public AnalyseOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(NullRuns >= 0, "null_runs", NullRuns, "0 or more");
        faults.Check(Examples >= 2, "examples", Examples, "2 or more");
        faults.Check(Continuations >= 4, "continuations", Continuations, "4 or more");
        faults.ThrowIfAny("the options of analyse");
        return this;
    }
}

/// <summary><c>parsimony analyse</c>: what fine-tuning only the dials changed, what of it is more than noise, and what it cost.</summary>
internal static class AnalyseCommand
{
    private const int Panels = 8, ContextsPerFeature = 5;

    public static Command Create() => CliCommand.Create<AnalyseOptions>(
        "analyse", "Says which features a fine-tuning changed, what each contributed, and what of it is more than noise; adds to report.json and report.html.",
        (options, terminal) =>
        {
            var run = RunFolder.Existing(options.Run);
            var report = Run(options, run, terminal);
            ReportCommand.WritePage(report, run);
            terminal.Say($"report: {run.Html}");
            return report;
        },
        ["parsimony analyse runs/demo", "parsimony analyse runs/both", "parsimony analyse runs/demo --of rlhf --null-runs 5 --against runs/lora runs/best-of-4"]);

    /// <summary>Analyses, adds to report.json.</summary>
    public static RunReport Run(AnalyseOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        terminal.WhenInterrupted = $"Null runs that are done stay in {run.Folder}; the same command goes on from them.";
        using var learned = Learned.Open(run, options.Of, terminal);
        var saes = learned.Dials.Saes;
        var methods = new OtherMethods(learned, run, options, terminal);
        var places = options.Against.Length == 0 ? null : Pareto.Of([methods.Own(), .. options.Against.Select(methods.Point)]);
        using var prefixes = new PrefixCache(learned.Model, saes[0].At, 1L << 30);
        var seam = DialSeam.Of(prefixes, learned.Dials);
        var change = DialChange.Of(learned.Dials);
        var nulls = Enumerable.Range(0, options.NullRuns).Select(i =>
        {
            using var noise = learned.NullRun(i, prefixes, terminal);
            return DialChange.Of(noise);
        }).ToList();
        var (objective, learntFrom, texts) = learned.Objective(seam, change, options, terminal);
        using var retrained = options.Retrained is { } folder ? LoadedSae.Open(folder, learned.Saes.Model, hook: null, takesTranscoders: false, anyAdapter: true) : null;
        if (retrained is not null && saes.All(s => s.At != retrained.At)) throw new InvalidDataException(
            $"'{options.Retrained}' is an SAE of {retrained.At}; the dials are at {string.Join(", ", saes.Select(s => s.At))}. Name one that was retrained there.");
        var analyser = new DialAnalyser(seam, options.Analysis);
        var subject = new AnalysisSubject
        {
            Change = change,
            Objective = objective,
            Texts = texts,
            LearntFrom = learntFrom,
            Nulls = nulls,
            HeldOutText = methods.HeldOut(seam),
        };
        T Shown<T>(string name, Func<IProgress<AnalysisProgress>, T> analyse)
        {
            using var progress = terminal.Progress(name, 100, "%");
            return analyse(progress.From<AnalysisProgress>(p => 100L * p.Done / p.Passes, p => p.Stage));
        }
        var analyses = new List<DialAnalysis>();
        foreach (var at in saes.Select(s => s.At))
        {
            var its = subject with { Retrained = retrained?.At == at ? retrained.Sae : null };
            analyses.Add(Shown(saes.Count == 1 ? "analyse" : $"analyse {at}", progress => analyser.Analyse(its, at, progress, terminal.Interrupted)));
            if (saes.Count > 1) terminal.Say($"{at}:");
            foreach (string sentence in analyses[^1].Sentences) terminal.Say(sentence);
        }
        var joint = saes.Count == 1 ? null : Shown("analyse together", progress => analyser.Together(subject, progress, terminal.Interrupted));
        if (joint is not null) terminal.Say($"Of the change of {joint.Ledger.Change:+0.0000;-0.0000;0}: {string.Join(", ", joint.Hooks.Select(h => $"{h.Hook} {100 * h.Share:0.#} %"))}.");
        analyses[0] = analyses[0] with { Pareto = places, ParetoGain = places is null ? null : methods.Gain };
        var moved = Contexts(learned, analyses, run, terminal);
        return run.Update(report => report with
        {
            Analysis = analyses[0],
            FurtherAnalyses = joint is null ? null : analyses[1..],
            JointLedger = joint,
            MostMoved = moved ?? report.MostMoved,
            Seconds = report.Seconds.With("analyse", clock),
        });
    }

    /// <summary>The features that moved most with their contexts, from the index of the run's own SAE; null where the run has none.</summary>
    private static IReadOnlyList<FeaturePanel>? Contexts(Learned learned, IReadOnlyList<DialAnalysis> analyses, RunFolder run, Terminal terminal)
    {
        if (!RunFolder.Contains(run.Folder)) return null;
        string own = Path.GetFullPath(run.Sae);
        var sae = learned.Saes.All.FirstOrDefault(s => Path.GetFullPath(s.Folder) == own) ?? learned.Saes.First;
        var analysis = analyses.First(a => a.Hook == sae.At.ToString());
        using var index = IndexCommand.OpenOrMake(sae, run.Folder, run, terminal);
        return [.. analysis.Features.Take(Panels).Where(f => f.Effect > 0).Select(f => FeaturePanel.Of(index.Card(f.Latent), sae.Model.Tokenizer, ContextsPerFeature) with
        {
            Scale = f.Scale,
            Shift = f.Shift,
            Effect = f.Effect,
            DensityAfter = f.DensityAfter,
        })];
    }
}
