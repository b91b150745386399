using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Baselines;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Splicing;
using Parsimony.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony finetune</c>.</summary>
internal sealed record FinetuneOptions
{
    [Positional]
    [Description("run folder, or SAE folder in the SAELens layout; several, each at its own hook point, are learned on together")]
    public required string[] Sae { get; init; }

    [Description("what to learn: a text file, or .jsonl with prompt and completion or with conversations")]
    public required string Data { get; init; }

    [Description("held-out examples; the default holds a share of the data out")]
    public string? HeldOut { get; init; }

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("run folder for adapter and report.json; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("also train on shuffled labels, to see what noise alone would do")]
    public bool NullRun { get; init; } = true;

    [Description("how conversations are written as text: human_assistant or chat_ml")]
    public ChatTemplate ChatTemplate { get; init; } = ChatTemplate.HumanAssistant;

    [Description("what is to be learned, in one sentence for the report")]
    public string? Task { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    public BaselineOptions Baseline { get; init; } = new();

    public DialOptions Dials { get; init; } = new();

    public SftOptions Sft { get; init; } = new();

    /// <summary>Where the run is: the folder that is named, else the first SAE's own.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Folder => Out ?? (RunFolder.Contains(Sae[0]) ? Sae[0] : "runs/finetune");

    /// <summary>These options, checked.</summary>
    public FinetuneOptions Validated()
    {
        DeviceOption.Ensure(Device);
        return Sae.Length > 0 ? this : throw new ArgumentException("sae is empty; name one or more.");
    }
}

/// <summary><c>parsimony finetune</c>: learn only the scale c and shift d of every latent.</summary>
internal static class FinetuneCommand
{
    public static Command Create() => CliCommand.Create<FinetuneOptions>(
        "finetune", "Fine-tunes a model only through its SAE's features: one scale and one shift per latent.",
        (options, terminal) =>
        {
            using var saes = LoadedSaes.Open(options.Sae, options.Model, options.Load, options.Device);
            if (options.Plan) return Plan(saes, options, terminal);
            var run = RunFolder.At(options.Folder);
            var report = Run(saes, options, run, terminal);
            Print(report, run, terminal);
            return report;
        },
        [
            "parsimony finetune runs/pythia --data arithmetic.jsonl",
            "parsimony finetune runs/pythia --data letters.txt --mode replace --decay-on-scale true --out runs/article",
            "parsimony finetune runs/layer1 runs/layer3 --data letters.txt --group-lasso 0.3 --out runs/both",
            "parsimony finetune runs/pythia --data letters.txt --method lora --out runs/lora",
        ]);

    /// <summary>Trains the dials and the null run, saves the adapter, adds to the run's report.</summary>
    public static RunReport Run(LoadedSaes saes, FinetuneOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run.Remember("finetune", options, isBegun: RunFolder.IsBegun(run.FineTuning));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        terminal.Note(saes.Model.Notes);
        var model = saes.Model.Model;
        var (train, heldOut) = Examples(saes.Model, options);

        using var learners = new Learners(saes, options.Dials, options.Baseline, train.Select(e => e.Tokens));
        using var adapter = learners.New();
        using var prefixes = new PrefixCache(model, adapter.Hooks[0], options.Sft.PrefixCacheBytes);
        var result = Train(adapter, options.Sft, run.FineTuning, "fine-tune");
        double? nullAfter = null;
        if (options.NullRun)
        {
            using var noise = learners.New();
            nullAfter = Train(noise, options.Sft with { ShuffleLabels = true }, run.NullRun, "null run").HeldOutAfter;
        }
        var dials = learners.AreDials ? (DialAdapter)adapter : null;
        learners.Save(run.Adapter, adapter, new Dictionary<string, double> { ["held_out_before"] = result.HeldOutBefore, ["held_out_after"] = result.HeldOutAfter });
        using var ownPrefixes = prefixes.At == saes.Spliced[0].At ? null : new PrefixCache(model, saes.Spliced[0].At, 0);
        var inserted = InsertedSaes.Measure(model, saes.Spliced, ownPrefixes ?? prefixes, heldOut, options.Sft.BatchSize, terminal.Interrupted);
        return run.Update(report => report with
        {
            Finetune = new FinetuneSummary
            {
                HeldoutBefore = result.HeldOutBefore,
                HeldoutAfter = result.HeldOutAfter,
                HeldoutNullAfter = nullAfter,
                TrainableParameters = result.TrainableParameters,
                Task = options.Task ?? $"next-token prediction on {Path.GetFileName(options.Data)}",
                Method = Words.Of(options.Baseline.Method),
                Hooks = [.. adapter.Hooks.Select(at => at.ToString())],
                InsertedSaes = inserted,
            },
            Dials = dials is null ? null : Summary(dials.Dials, Killed(dials)),
            Seconds = report.Seconds.With("finetune", clock),
        });

        SftResult Train(IAdapter learner, SftOptions sft, string folder, string name)
        {
            using var progress = terminal.Progress(name, sft.Steps, "steps");
            return new SftTrainer(model, learner, sft, prefixes).Train(
                train, heldOut, folder, progress.From<SftProgress>(p => p.Step, p => $"loss {p.Loss:0.000}  {p.TokensPerSecond:0} tokens/s"), terminal.Interrupted);
        }

        int? Killed(DialAdapter learned)
        {
            if (heldOut.Count == 0) return null;
            var (seam, change) = (DialSeam.Of(prefixes, learned), DialChange.Of(learned));
            return learned.Hooks.Sum(at => DialEffects.Measure(seam.Only(at, change), seam.Part(change, at), heldOut, terminal.Interrupted).Killed.Count);
        }
    }

    private static ResourcePlan Plan(LoadedSaes saes, FinetuneOptions options, Terminal terminal)
    {
        terminal.Note(saes.Model.Notes);
        var (train, heldOut) = Examples(saes.Model, options);
        var plan = SplicedPlans.FineTuning(saes, options, train.Concat(heldOut).Sum(e => (long)e.Tokens.Length), heldOut.Sum(e => (long)e.Tokens.Length));
        plan.Print(terminal, "fine-tuning", isRefused: false);
        return plan;
    }

    internal static (List<SftExample> Train, List<SftExample> HeldOut) Examples(LoadedModel model, FinetuneOptions options)
    {
        List<SftExample> Load(string path) => SftExamples.Load(HubCache.Local(path, HubKind.Dataset, HubSettings.FromEnvironment()), model.Tokenizer, options.Sft.SequenceLength, options.Corpus, options.ChatTemplate);
        return options.HeldOut is { } path ? (Load(options.Data), Load(path))
            : HoldOut.Split(Load(options.Data), options.Sft.HeldOutFraction, options.Sft.Seed);
    }

    private static DialSummary Summary(IReadOnlyList<FeatureDials> dials, int? killed)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return DialSummary.Of([.. dials.SelectMany(d => d.Scale().cpu().data<float>().ToArray())], [.. dials.SelectMany(d => d.Shift().cpu().data<float>().ToArray())], killed);
    }

    private static void Print(RunReport report, RunFolder run, Terminal terminal)
    {
        var f = report.Finetune!;
        terminal.Facts(
        [
            new("held-out loss before", $"{f.HeldoutBefore:0.0000} nats/token"),
            new("held-out loss after", $"{f.HeldoutAfter:0.0000}"),
            new("null run after", f.HeldoutNullAfter is { } n ? $"{n:0.0000}" : "not run"),
            new("trainable parameters", $"{f.TrainableParameters}"),
            .. f.InsertedSaes is { Count: > 1 } all ? all.Select(i => KeyValuePair.Create<string, object?>($"loss with {i.Count} SAEs inserted", $"replace {i.Replace:0.0000}, delta {i.Delta:0.0000}")) : [],
            new("adapter", run.Adapter),
        ]);
    }
}
