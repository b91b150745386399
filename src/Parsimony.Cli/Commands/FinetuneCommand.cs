using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Cli.Runs;
using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.Reporting;
using Parsimony.Splicing;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony finetune</c>.</summary>
internal sealed record FinetuneOptions
{
    [Positional]
    [Description("run folder, or SAE folder in the SAELens layout")]
    public required string Sae { get; init; }

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

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    public SftOptions Sft { get; init; } = new();
}

/// <summary><c>parsimony finetune</c>: learn only the scale c and shift d of every latent.</summary>
internal static class FinetuneCommand
{
    public static Command Create() => CliCommand.Create<FinetuneOptions>(
        "finetune", "Fine-tunes a model only through its SAE's features: one scale and one shift per latent.",
        (options, terminal) =>
        {
            using var sae = LoadedSae.Open(options.Sae, options.Model, hook: null, load: options.Load);
            string folder = options.Out ?? (RunFolder.Contains(options.Sae) ? options.Sae : "runs/finetune");
            if (options.Plan) return Plan(sae, options, folder, terminal);
            var run = RunFolder.At(folder);
            var report = Run(sae, options, run, terminal);
            Print(report, run, terminal);
            return report;
        },
        [
            "parsimony finetune runs/pythia --data arithmetic.jsonl",
            "parsimony finetune runs/pythia --data letters.txt --mode replace --decay-on-scale true --out runs/article",
        ]);

    /// <summary>Trains the dials and the null run, saves the adapter, adds to the run's report.</summary>
    public static RunReport Run(LoadedSae sae, FinetuneOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run.Remember("finetune", options, isBegun: File.Exists(Path.Combine(run.FineTuning, "checkpoint.safetensors")));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        terminal.Note(sae.Model.Notes);
        var (train, heldOut) = Examples(sae, options);

        using var prefixes = new PrefixCache(sae.Model.Model, sae.At, options.Sft.PrefixCacheBytes);
        using var result = Train(options.Sft, run.FineTuning, "fine-tune");
        double? nullAfter = null;
        if (options.NullRun)
        {
            using var noise = Train(options.Sft with { ShuffleLabels = true }, run.NullRun, "null run");
            nullAfter = noise.HeldOutAfter;
        }
        Save(sae, options, result, run);
        return run.Update(report => report with
        {
            Finetune = new FinetuneSummary
            {
                HeldoutBefore = result.HeldOutBefore,
                HeldoutAfter = result.HeldOutAfter,
                HeldoutNullAfter = nullAfter,
                TrainableParameters = result.TrainableParameters,
                Task = options.Task ?? $"next-token prediction on {Path.GetFileName(options.Data)}",
            },
            Dials = Summary(result),
            Seconds = report.Seconds.With("finetune", clock),
        });

        SftResult Train(SftOptions sft, string folder, string name)
        {
            using var progress = terminal.Progress(name, sft.Steps, "steps");
            return new SftTrainer(sae.Model.Model, sae.At, sae.Sae, sft, prefixes).Train(
                train, heldOut, folder, progress.From<SftProgress>(p => p.Step, p => $"loss {p.Loss:0.000}  {p.TokensPerSecond:0} tokens/s"), terminal.Interrupted);
        }
    }

    private static ResourcePlan Plan(LoadedSae sae, FinetuneOptions options, string folder, Terminal terminal)
    {
        terminal.Note(sae.Model.Notes);
        var (train, heldOut) = Examples(sae, options);
        var plan = SplicedPlans.FineTuning(sae, options, train.Concat(heldOut).Sum(e => (long)e.Tokens.Length), heldOut.Sum(e => (long)e.Tokens.Length), folder);
        plan.Print(terminal, "fine-tuning");
        return plan;
    }

    private static (List<SftExample> Train, List<SftExample> HeldOut) Examples(LoadedSae sae, FinetuneOptions options)
    {
        List<SftExample> Load(string path) => SftExamples.Load(HubCache.Local(path, HubKind.Dataset, HubSettings.FromEnvironment()), sae.Model.Tokenizer, options.Sft.SequenceLength, options.Corpus, options.ChatTemplate);
        return options.HeldOut is { } path ? (Load(options.Data), Load(path))
            : SftExamples.Split(Load(options.Data), options.Sft.HeldOutFraction, options.Sft.Seed);
    }

    private static DialSummary Summary(SftResult result)
    {
        using var scale = result.Dials.Scale();
        return DialSummary.Of(scale.detach().data<float>().ToArray(), result.Dials.Shift.detach().data<float>().ToArray(), result.Movement?.Killed.Length);
    }

    private static void Save(LoadedSae sae, FinetuneOptions options, SftResult result, RunFolder run) =>
        AdapterFolder.Save(run.Adapter, result.Dials, sae.Adapter(options.Sft.Mode,
            new Dictionary<string, double> { ["held_out_before"] = result.HeldOutBefore, ["held_out_after"] = result.HeldOutAfter }));

    private static void Print(RunReport report, RunFolder run, Terminal terminal)
    {
        var f = report.Finetune!;
        terminal.Facts(
        [
            new("held-out loss before", $"{f.HeldoutBefore:0.0000} nats/token"),
            new("held-out loss after", $"{f.HeldoutAfter:0.0000}"),
            new("null run after", f.HeldoutNullAfter is { } n ? $"{n:0.0000}" : "not run"),
            new("trainable parameters", $"{f.TrainableParameters}"),
            new("adapter", run.Adapter),
        ]);
    }
}
