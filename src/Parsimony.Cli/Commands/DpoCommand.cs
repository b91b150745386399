using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Preference;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Splicing;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony dpo</c>.</summary>
internal sealed record DpoCommandOptions
{
    [Positional]
    [Description("run folder, or SAE folder in the SAELens layout; several, each at its own hook point, are learned on together")]
    public required string[] Sae { get; init; }

    [Description("preference pairs: .jsonl (also .gz, .zst) or .json with \"chosen\" and \"rejected\", with or without a \"prompt\"")]
    public required string Data { get; init; }

    [Description("held-out pairs; the default holds a share of the data out")]
    public string? HeldOut { get; init; }

    [Description("pairs to read at most, the first ones")]
    public int? MaxPairs { get; init; }

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("run folder for adapter and report.json; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("also train on pairs half of which are exchanged, to see what noise alone would do")]
    public bool NullRun { get; init; } = true;

    [Description("what is to be learned, in one sentence for the report")]
    public string? Task { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public WeightOptions Load { get; init; } = new();

    public PreferenceOptions Pairs { get; init; } = new();

    public BaselineOptions Baseline { get; init; } = new();

    public DialOptions Dials { get; init; } = new();

    public DpoOptions Dpo { get; init; } = new();

    /// <summary>Where the run is: the folder that is named, else the first SAE's own.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Folder => Out ?? (RunFolder.Contains(Sae[0]) ? Sae[0] : "runs/dpo");

    /// <summary>These options, checked.</summary>
    public DpoCommandOptions Validated()
    {
        DeviceOption.Ensure(Device);
        if (Sae.Length == 0) throw new ArgumentException("sae is empty; name one or more.");
        return MaxPairs is null or >= 2 ? this : throw new ArgumentException($"max_pairs is {MaxPairs}; allowed: 2 or more.");
    }
}

/// <summary><c>parsimony dpo</c>: learn the dials from pairs of a better and a worse completion.</summary>
internal static class DpoCommand
{
    public static Command Create() => CliCommand.Create<DpoCommandOptions>(
        "dpo", "Teaches a model by preference pairs, only through its SAE's features: DPO, robust DPO, hinge, IPO or SimPO.",
        (options, terminal) =>
        {
            using var saes = LoadedSaes.Open(options.Sae, options.Model, options.Load, options.Device);
            if (options.Plan) return Plan(saes, options, terminal);
            var run = RunFolder.At(options.Folder);
            var report = Run(saes, options, run, terminal);
            Print(report.Dpo!, run, terminal);
            return report;
        },
        [
            "parsimony dpo runs/pythia --data pairs.jsonl",
            "parsimony dpo runs/pythia --data pairs.jsonl --plan",
            "parsimony dpo runs/pythia --data pairs.jsonl.gz --loss sim_po --beta 5 --sim-po-margin 2 --out runs/simpo",
        ]);

    /// <summary>Trains the dials and the null run, saves the adapter, adds to the run's report.</summary>
    public static RunReport Run(LoadedSaes saes, DpoCommandOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run.Remember("dpo", options, isBegun: RunFolder.IsBegun(run.Dpo));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        terminal.Note(saes.Model.Notes);
        var model = saes.Model.Model;
        var (train, heldOut) = Pairs(saes.Model, options, terminal);

        using var learners = new Learners(saes, options.Dials, options.Baseline, train.Select(p => p.ChosenExample.Tokens));
        using var adapter = learners.New();
        using var prefixes = new PrefixCache(model, adapter.Hooks[0], options.Dpo.PrefixCacheBytes);
        var result = Train(adapter, options.Dpo, run.Dpo, "DPO");
        PreferenceReport? noise = null;
        if (options.NullRun)
        {
            using var nothing = learners.New();
            noise = Train(nothing, options.Dpo with { ShuffleLabels = true }, run.DpoNull, "null run").After;
        }
        learners.Save(run.DpoAdapter, adapter, heldOut.Count == 0 ? new Dictionary<string, double>()
            : new Dictionary<string, double> { ["held_out_accuracy"] = result.After.Accuracy, ["held_out_margin"] = result.After.Margin });
        return run.Update(report => report with
        {
            Dpo = new DpoSummary
            {
                Loss = options.Dpo.Loss,
                Method = Words.Of(options.Baseline.Method),
                Task = options.Task ?? $"prefer the chosen completions of {Path.GetFileName(options.Data)}",
                Pairs = train.Count,
                HeldOutPairs = heldOut.Count,
                Before = heldOut.Count == 0 ? null : result.Before,
                After = heldOut.Count == 0 ? null : result.After,
                NullAfter = heldOut.Count == 0 ? null : noise,
                TrainableParameters = result.TrainableParameters,
                LatentsChanged = (adapter as DialAdapter)?.LatentsChanged,
            },
            Seconds = report.Seconds.With("dpo", clock),
        });

        DpoResult Train(IAdapter learner, DpoOptions dpo, string folder, string name)
        {
            using var progress = terminal.Progress(name, dpo.Steps, "steps");
            return new DpoTrainer(model, learner, dpo, prefixes).Train(train, heldOut, folder, progress.From<DpoProgress>(
                p => p.Step, p => $"loss {p.Loss:0.000}  accuracy {p.Accuracy:0.00}  {p.TokensPerSecond:0} tokens/s"), terminal.Interrupted);
        }
    }

    private static ResourcePlan Plan(LoadedSaes saes, DpoCommandOptions options, Terminal terminal)
    {
        terminal.Note(saes.Model.Notes);
        var (train, heldOut) = Pairs(saes.Model, options, terminal);
        var plan = DpoPlan.Of(saes, options, train, heldOut, options.Folder);
        plan.Print(terminal, "DPO", isRefused: false);
        return plan;
    }

    internal static (IReadOnlyList<PreferencePair> Train, IReadOnlyList<PreferencePair> HeldOut) Pairs(LoadedModel model, DpoCommandOptions options, Terminal terminal)
    {
        var reading = options.Pairs with { SequenceLength = Math.Min(options.Pairs.SequenceLength, model.Model.Config.MaxSequenceLength) };
        IReadOnlyList<PreferencePair> Load(string path)
        {
            var set = PreferencePairs.Load(HubCache.Local(path, HubKind.Dataset, HubSettings.FromEnvironment()), model.Tokenizer, reading);
            if (set.Warning is { } warning) terminal.Note([warning]);
            return options.MaxPairs is { } most ? [.. set.Pairs.Take(most)] : set.Pairs;
        }
        if (options.HeldOut is { } heldOut) return (Load(options.Data), Load(heldOut));
        return HoldOut.Split(Load(options.Data), options.Dpo.HeldOutFraction, options.Dpo.Seed);
    }

    private static void Print(DpoSummary r, RunFolder run, Terminal terminal)
    {
        string Of(PreferenceReport? p) => p is null ? "-" : $"{p.Accuracy:0.000}, margin {p.Margin:0.000}, loss {p.Loss:0.0000}";
        terminal.Facts(
        [
            new("pairs / held out", $"{r.Pairs} / {r.HeldOutPairs}"),
            new("held-out accuracy before", Of(r.Before)),
            new("held-out accuracy after", Of(r.After)),
            new("after the null run", Of(r.NullAfter)),
            new("chosen likelier per token before / after", r.Before is null ? "-" : $"{r.Before.LikelierChosen:0.000} / {r.After!.LikelierChosen:0.000}"),
            new("trainable parameters", $"{r.TrainableParameters}"),
            new("adapter", run.DpoAdapter),
        ]);
    }
}
