using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Cli.Runs;
using Parsimony.Exploration.Index;
using Parsimony.FineTuning;
using Parsimony.Reporting;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony demo</c>.</summary>
internal sealed record DemoOptions
{
    [Description("run folder; the same command on the same folder goes on where it stopped")]
    public string Out { get; init; } = "runs/demo";

    [Description("tokens to train the SAE on")]
    public long TrainingTokens { get; init; } = 1_500_000;

    [Description("steps of fine-tuning, and of its null run")]
    public long FinetuneSteps { get; init; } = 300;

    [Description("also teach the model gentler stories: PPO on the dials, rewarded for no words of fear and violence")]
    public bool Rlhf { get; init; }

    [Description("steps of PPO, and of its null run")]
    public long RlhfSteps { get; init; } = 20;

    [Description("continuations that PPO is measured on, before and after")]
    public int Continuations { get; init; } = 2000;

    [Description("seed of everything")]
    public long Seed { get; init; }
}

/// <summary><c>parsimony demo</c>: the whole article on the bundled model, from text to report.</summary>
internal static class DemoCommand
{
    public static Command Create() => CliCommand.Create<DemoOptions>(
        "demo", "Runs everything on the bundled model: train an SAE, splice it in, evaluate, fine-tune its dials, write the report.",
        Run, ["parsimony demo", "parsimony demo --rlhf", "parsimony demo --json --seed 1 --out runs/demo-1"]);

    private static RunReport Run(DemoOptions options, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var run = RunFolder.At(options.Out);
        using var model = LoadedModel.Open(null);
        var train = Train(options, model.Folder);
        using (var data = TrainingData.Open(model, train, TrainCommand.Hooks(train))) TrainCommand.Run(data, train, run, terminal);
        using var sae = LoadedSae.Open(options.Out, model);
        EvaluateCommand.Run(sae, Evaluate(options, model.Folder), run, terminal);
        FinetuneCommand.Run(LoadedSaes.With(sae), Finetune(options, model.Folder), run, terminal);
        if (options.Rlhf) GentlerStories.Run(sae, options, run, terminal);
        IndexCommand.Run(sae, Index(options), run, terminal);
        var report = ReportCommand.Run(sae, Report(options), run, terminal);
        if (options.Rlhf) report = GentlerStories.Analyse(options, run, terminal);
        terminal.Say("");
        Print(report, terminal);
        if (report.Rlhf is { } rlhf) RlhfCommand.Print(rlhf, run, terminal);
        terminal.Say($"\na feature: parsimony show feature {(report.Features is [var first, ..] ? first.Latent : 0)} --run {options.Out}");
        terminal.Say($"report: {run.Html}   ({clock.Elapsed.TotalSeconds:0} s)");
        return report;
    }

    /// <summary>The article's SAE on its site, layer 1's MLP output; schedules shortened to a run of minutes.</summary>
    private static TrainOptions Train(DemoOptions options, string model) => new()
    {
        Model = model,
        Text = Path.Combine(model, "corpus.txt"),
        Out = options.Out,
        Buffer = new ActivationBufferOptions { BufferTokens = 1 << 19, Seed = options.Seed },
        Sae = new SaeTrainingOptions
        {
            TrainingTokens = options.TrainingTokens,
            LearningRate = 2e-3,
            LearningRateWarmUpTokens = options.TrainingTokens / 40,
            LearningRateDecayTokens = options.TrainingTokens / 4,
            L1Coefficient = 0.4,
            L1WarmUpTokens = options.TrainingTokens / 20,
            TargetL0Fraction = 0.025,
            SteerAfterTokens = options.TrainingTokens / 10,
            ResampleEverySteps = 250,
            ResampleLookBackSteps = 125,
            CheckpointEverySteps = 250,
            LogEverySteps = 10,
            Seed = options.Seed,
        },
    };

    private static EvaluateOptions Evaluate(DemoOptions options, string model) => new() { Sae = options.Out, Text = Path.Combine(model, "stories.txt") };

    private static FinetuneOptions Finetune(DemoOptions options, string model) => new()
    {
        Sae = [options.Out],
        Data = Path.Combine(model, "stories.txt"),
        HeldOut = Path.Combine(model, "stories-heldout.txt"),
        Task = "predict stories written today, by a model of books from 1898 to 1924",
        Sft = new SftOptions { Steps = options.FinetuneSteps, LearningRate = 5e-3, CheckpointEverySteps = 50, Seed = options.Seed },
    };

    /// <summary>Enough text for its rarer latents, and of the effects those of the strongest: a matter of seconds.</summary>
    private static IndexOptions Index(DemoOptions options) => new()
    {
        Sae = options.Out,
        MaxTokens = 100_000,
        Index = new FeatureIndexOptions { MeasuredLatents = 64, Seed = options.Seed },
    };

    private static ReportOptions Report(DemoOptions options) => new()
    {
        Run = options.Out,
        Prompts = ["One morning the little fox", "\"I am not afraid,\" said", "When the snow came,"],
    };

    private static void Print(RunReport r, Terminal terminal) => terminal.Facts(
    [
        new("CE plain / spliced / zero / mean", $"{r.CeClean:0.000} / {r.CeSpliced:0.000} / {r.CeZeroAblated:0.000} / {r.CeMeanAblated:0.000} nats per token"),
        new("CE recovered", $"{r.CeLossRecovered:0.000}"),
        new("explained variance", $"{r.ExplainedVariance:0.000}"),
        new("L0", $"{r.L0:0.0} of {r.DSae} latents ({r.L0 / r.DSae:0.0 %})"),
        new("dead", $"{r.DeadFraction:0.0 %}"),
        new("held-out loss before / after / null", $"{r.Finetune?.HeldoutBefore:0.000} / {r.Finetune?.HeldoutAfter:0.000} / {r.Finetune?.HeldoutNullAfter:0.000}"),
        new("trainable parameters", $"{r.Finetune?.TrainableParameters}"),
    ]);
}
