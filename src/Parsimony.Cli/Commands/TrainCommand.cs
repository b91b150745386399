using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Cli.Runs;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Text;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony train</c>.</summary>
internal sealed record TrainOptions
{
    internal const string Tuned = "adapter folder, or run folder in which one was learned: activations are those of the model tuned by it, at its own hook points what it made of them";
    internal const string TunedBy = "SHA-256 that the adapter must have; not set: its own, which is written into config.json";
    internal const string HeldOut = "share of the text's documents to leave out, for 'parsimony evaluate' to measure on; 0: none";

    [Positional]
    [Description("JSON file with these options, and, for several SAEs from one stream, a grid or a list of what differs")]
    public string? Sweep { get; init; }

    [Description("model folder in the Hugging Face layout; needed unless --cache is given")]
    public string? Model { get; init; }

    [Description("text to harvest activations from: a file, folder or pattern of .txt, .jsonl, .parquet or .pgn; needed unless --cache is given")]
    public string? Text { get; init; }

    [Description("activations that 'parsimony harvest' kept, instead of a model and a text")]
    public string? Cache { get; init; }

    [Description(Tuned)]
    public string? Adapter { get; init; }

    [Description(TunedBy)]
    public string? AdapterSha256 { get; init; }

    [Description("where the SAE sits: blocks.<layer>.<site>")]
    public HookPoint Hook { get; init; } = new(1, HookSite.MlpOut);

    [Description("transcoder: where it reads, while --hook is where it writes; mlp_in of the same layer when not given")]
    public HookPoint? InputHook { get; init; }

    [Description("run folder; the same command on the same folder goes on where it stopped")]
    public string Out { get; init; } = "runs/sae";

    [Description("tokens per context (the article: 128)")]
    public int SequenceLength { get; init; } = 128;

    [Description(HeldOut)]
    public double HeldOutFraction { get; init; }

    [Description("tokens of the text to train on at most, so that a large one need not be tokenised whole; none: all")]
    public long? MaxTokens { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print memory, disk and time needed, and do nothing")]
    public bool Plan { get; init; }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    public ActivationBufferOptions Buffer { get; init; } = new();

    public SaeTrainingOptions Sae { get; init; } = new();

    internal static ArgumentException HeldOutFault(double fraction) => new($"--held-out-fraction is {fraction}; it must be 0 or more and below 1.");

    /// <summary>Returns these options, or says that there is nothing to train on.</summary>
    /// <exception cref="ArgumentException">A model and a text are missing, or a cache is given beside a text, or the device has no such name, or the held-out fraction is out of its range.</exception>
    public TrainOptions Validated()
    {
        DeviceOption.Ensure(Device);
        if (HeldOutFraction != 0 && !TextSplit.IsPossible(HeldOutFraction)) throw HeldOutFault(HeldOutFraction);
        if (MaxTokens < SequenceLength) throw new ArgumentException($"--max-tokens is {MaxTokens}; it must be one context ({SequenceLength}) or more.");
        if (Sweep is not null) return this; // its file says the rest
        string[] missing = Cache is not null ? [] : [.. new[] { Model is null ? "--model" : null, Text is null ? "--text" : null }.OfType<string>()];
        if (missing.Length > 0) throw new ArgumentException($"{string.Join(", ", missing)} must be given, on the command line or as a key of a "
            + $"{CliCommand.ConfigFlag} file; or --cache, activations to train on instead.");
        if (InputHook is not null && Sae.Architecture != SaeArchitecture.Transcoder)
            throw new ArgumentException($"--input-hook is {InputHook}; it is a transcoder's only (--architecture transcoder). All others read at --hook.");
        return Cache is null || Text is null ? this
            : throw new ArgumentException("--cache and --text both say what to train on. Give one of them; a model may stand beside a cache, to be checked against it.");
    }

    /// <summary>Where the adapter is that the model was tuned by, or the one that harvested the cache; null: it was tuned by none.</summary>
    public string? AdapterPlace() => Adapter ?? (AdapterSha256 is not null && Cache is not null && Directory.Exists(Cache) ? ActivationCacheManifest.Load(Cache).AdapterFolder : null);

    /// <summary>The name of some work with the device it is done on, where that is not the processor.</summary>
    public string On(string work) => Device == TorchDevice.Cpu ? work : $"{work} on {Device}";

    /// <summary>Where the SAE reads: the hook that it also writes, but for a transcoder.</summary>
    public HookPoint ReadsAt() => Sae.Architecture == SaeArchitecture.Transcoder ? InputHook ?? new HookPoint(Hook.Layer, HookSite.MlpIn) : Hook;
}

/// <summary><c>parsimony train</c>: text to activations to a trained SAE.</summary>
internal static class TrainCommand
{
    public static Command Create() => CliCommand.Create<TrainOptions>(
        "train", "Harvests activations from a model and trains a sparse autoencoder on them.",
        (options, bind, terminal) =>
        {
            if (options.Sweep is { } file)
            {
                if (SweepFile.SingleOrNull(file, bind) is not { } single) return SweepRun.Run(SweepFile.Read(file, bind), terminal);
                options = single;
            }
            if (PlanWithoutData(options, [options], terminal) is { } plan) return plan;
            using var data = TrainingData.Open(options, Hooks(options));
            terminal.Note(data.Notes);
            if (options.Plan) return Plan(data, options, [options], terminal);
            var run = RunFolder.At(options.Out);
            var report = Run(data, options, run, terminal);
            terminal.Say($"SAE in {run.Sae}; next: parsimony evaluate {options.Out}{(data.HeldOutFraction > 0 ? "" : " --text <text>")}");
            return report;
        },
        [
            "parsimony train --model pythia-70m --text openwebtext.jsonl.gz --hook blocks.1.mlp_out --out runs/pythia",
            "parsimony train --model pythia-70m --text openwebtext.jsonl.gz --architecture batchtopk --k 32 --out runs/pythia-k32",
            "parsimony train --model pythia-70m --text openwebtext.jsonl.gz --held-out-fraction 0.01 --out runs/pythia",
            "parsimony train --cache caches/pythia --hook blocks.3.mlp_out --out runs/pythia-3",
            "parsimony train --model pythia-70m --adapter runs/pythia/adapter --text openwebtext.jsonl.gz --out runs/pythia-tuned",
            "parsimony train --config train.json --l1-coefficient 0.02 --device cuda",
            "parsimony train sweep.json --out runs/sweep",
            "parsimony train recipes/architectures.json",
            "parsimony train recipes/pythia-6.9b-layer1.json --plan",
        ]);

    /// <summary>Where an SAE of these options reads.</summary>
    public static IReadOnlyList<HookPoint> Hooks(TrainOptions options) => [.. new[] { options.ReadsAt(), options.Hook }.Distinct()];

    /// <summary>Trains, or goes on training, and saves the SAE.</summary>
    public static RunReport Run(TrainingData data, TrainOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        options = Begin(data, options, run);
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        using var source = new ActivationBuffer(data.Activations, options.Buffer);
        Plans.Training(data.Model?.Config, source, data.Activations, [options], run.Folder, data.AdapterBytes).Ensure("Training", run.Folder);
        using var trainer = NewTrainer(options, source, run);
        TrainedSae trained;
        using (var progress = terminal.Progress(options.On("train SAE"), trainer.Steps * source.BatchTokens, "tokens", trainer.TokensSeen))
            trained = trainer.Train(progress.From<TrainingProgress>(p => p.TokensSeen, Figures), terminal.Interrupted);
        using (trained) return Keep(run, data, options, trained, clock.Elapsed.TotalSeconds);
    }

    /// <summary>Writes the options into the run folder, with the sequence length and the held-out fraction that a cache decides.</summary>
    /// <exception cref="InvalidDataException">The folder was begun with other options.</exception>
    public static TrainOptions Begin(TrainingData data, TrainOptions options, RunFolder run)
    {
        options = options with { SequenceLength = data.Activations.SequenceLength, HeldOutFraction = data.HeldOutFraction, AdapterSha256 = data.AdapterSha256 };
        run.Remember("train", options, isBegun: RunFolder.IsBegun(run.Folder));
        return options;
    }

    /// <summary>A trainer for the options, which goes on from the run folder's checkpoint.</summary>
    public static SaeTrainer NewTrainer(TrainOptions options, IActivationSource source, RunFolder? run) =>
        new(options.Sae, source, options.Hook, run?.Folder, input: options.ReadsAt(), device: TorchDevice.Of(options.Device));

    /// <summary>What training would take, and nothing done; a few steps are measured where they fit in memory.</summary>
    public static ResourcePlan Plan(TrainingData data, TrainOptions common, IReadOnlyList<TrainOptions> runs, Terminal terminal) =>
        Plan(data.Model?.Config, data.Activations, common, runs, null, terminal, data.AdapterBytes);

    /// <summary>The same where a plan is asked for and the model or the text are not on this machine; else null.</summary>
    public static ResourcePlan? PlanWithoutData(TrainOptions common, IReadOnlyList<TrainOptions> runs, Terminal terminal)
    {
        if (!common.Plan || common.Cache is not null || Absences.OrNull(common.Model!, common.Text!, common.Corpus) is not { } absences) return null;
        HookPoint[] hooks = [.. runs.SelectMany(Hooks).Distinct()];
        long trained = runs.Max(run => run.Sae.StepsFor(common.Buffer.BatchTokens)) * common.Buffer.BatchTokens, tokens = Math.Min(trained, common.MaxTokens ?? trained);
        var model = AbsentModel.Of(absences.Config, hooks, Math.Max(tokens, common.Buffer.BatchTokens), common.SequenceLength, TorchDevice.Of(common.Device));
        return Plan(absences.Config, model, common, runs, absences, terminal);
    }

    private static ResourcePlan Plan(IModelConfig? model, IContextActivations contexts, TrainOptions common, IReadOnlyList<TrainOptions> runs, Absences? absences, Terminal terminal, long adapterBytes = 0)
    {
        using var source = new ActivationBuffer(contexts, common.Buffer);
        var plan = Plans.Training(model, source, contexts, runs, common.Out, adapterBytes).With(absences);
        if (plan.MemoryBytes <= plan.MemoryFree)
            plan = plan.Measured(contexts, runs, isReadOnce: source.Blocks == 1, common.Buffer.HarvestBatchContexts, terminal.Interrupted);
        plan.Print(terminal);
        return plan;
    }

    /// <summary>Saves the SAE and adds to the report.</summary>
    public static RunReport Keep(RunFolder run, TrainingData data, TrainOptions options, TrainedSae trained, double seconds)
    {
        using var density = TorchSharp.torch.tensor(trained.Density.ToArray());
        SaeFolder.Save(run.Sae, trained.Sae, Metadata(data, options, trained), density);
        return run.Update(report => report with
        {
            ModelName = data.ModelName,
            Hook = options.Hook.ToString(),
            ModelSha256 = data.ModelSha256,
            TokenizerSha256 = data.TokenizerSha256,
            SaeSha256 = SaeFolder.Sha256(run.Sae),
            DSae = trained.Sae.DSae,
            TokensSeen = trained.TokensSeen,
            Seed = options.Sae.Seed,
            Density = DensityHistogram.Of(trained.Density.ToArray()),
            Seconds = report.Seconds.With("train", seconds),
        });
    }

    /// <summary>What the progress line shows of a line of metrics.</summary>
    public static string Figures(TrainingProgress p) =>
        $"loss {p.Loss:0.###}  EV {p.ExplainedVariance:0.000}  L0 {p.L0:0.0}  dead {p.DeadFraction:0 %}{Waiting(p)}";

    /// <summary>Which side stands still for the other, where one does.</summary>
    public static string Waiting(TrainingProgress p) => Math.Max(p.WaitForActivations, p.WaitForTraining) < 0.005 ? ""
        : p.WaitForActivations > p.WaitForTraining ? $"  waits for: harvest {p.WaitForActivations:0 %}" : $"  waits for: SAE {p.WaitForTraining:0 %}";

    private static SaeMetadata Metadata(TrainingData data, TrainOptions options, TrainedSae trained) => new()
    {
        Hook = options.ReadsAt(),
        HookOut = options.ReadsAt() == options.Hook ? null : options.Hook,
        ModelName = data.ModelName,
        ModelSha256 = data.ModelSha256,
        ModelWeights = data.ModelWeights,
        AdapterSha256 = data.AdapterSha256,
        AdapterFolder = data.AdapterFolder is { } folder ? Path.GetFullPath(folder) : null,
        TokenizerSha256 = data.TokenizerSha256,
        ContextSize = options.SequenceLength,
        DatasetPath = data.Text,
        TrainingTokens = trained.TokensSeen,
        Seed = options.Sae.Seed,
        K = trained.Sae is JumpReluSae ? options.Sae.TopK.K : null,
        L1Coefficient = LossText.HasL1(options.Sae) ? trained.SparsityCoefficient : null,
        LossConvention = LossText.Of(options.Sae),
        DecoderConstraint = LossText.Of(options.Sae.DecoderConstraint),
    };
}
