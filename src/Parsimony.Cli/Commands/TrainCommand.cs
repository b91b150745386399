using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Cli.Runs;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony train</c>.</summary>
internal sealed record TrainOptions
{
    [Description("model folder in the Hugging Face layout")]
    public required string Model { get; init; }

    [Description("text to harvest activations from: .txt, .jsonl or .jsonl.gz")]
    public required string Text { get; init; }

    [Description("where the SAE sits: blocks.<layer>.<site>")]
    public HookPoint Hook { get; init; } = new(1, HookSite.MlpOut);

    [Description("run folder; the same command on the same folder goes on where it stopped")]
    public string Out { get; init; } = "runs/sae";

    [Description("tokens per context (the article: 128)")]
    public int SequenceLength { get; init; } = 128;

    public ActivationBufferOptions Buffer { get; init; } = new();

    public SaeTrainingOptions Sae { get; init; } = new();
}

/// <summary><c>parsimony train</c>: text to activations to a trained SAE.</summary>
internal static class TrainCommand
{
    public static Command Create() => CliCommand.Create<TrainOptions>(
        "train", "Harvests activations from a model and trains a sparse autoencoder on them.",
        (options, terminal) =>
        {
            using var model = LoadedModel.Open(options.Model);
            var run = RunFolder.At(options.Out);
            var report = Run(model, options, run, terminal);
            terminal.Say($"SAE in {run.Sae}; next: parsimony evaluate {options.Out} --text <text>");
            return report;
        },
        [
            "parsimony train --model pythia-70m --text openwebtext.jsonl.gz --hook blocks.1.mlp_out --out runs/pythia",
            "parsimony train --config train.json --l1-coefficient 0.02",
        ]);

    /// <summary>Trains, or goes on training, and saves the SAE.</summary>
    public static RunReport Run(LoadedModel model, TrainOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var at = options.Hook;
        EnsureInModel(at, model);
        run.Remember("train", options, isBegun: File.Exists(Path.Combine(run.Folder, "checkpoint.safetensors")));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";

        var contexts = model.Pack(options.Text, options.SequenceLength);
        using var source = new ActivationBuffer(model.Model, at, contexts, options.Buffer);
        using var trainer = new SaeTrainer(options.Sae, source, at, run.Folder);
        TrainedSae trained;
        using (var progress = terminal.Progress("train SAE", trainer.Steps * source.BatchTokens, "tokens", trainer.TokensSeen))
            trained = trainer.Train(progress.From<TrainingProgress>(p => p.TokensSeen, Figures), terminal.Interrupted);
        using (trained)
        {
            SaeFolder.Save(run.Sae, trained.Sae, Metadata(model, options, at, trained));
            return run.Update(report => report with
            {
                ModelName = model.Name,
                Hook = at.ToString(),
                ModelSha256 = model.Model.Sha256,
                TokenizerSha256 = model.Tokenizer.Sha256,
                SaeSha256 = SaeFolder.Sha256(run.Sae),
                DSae = trained.Sae.DSae,
                TokensSeen = trained.TokensSeen,
                Seed = options.Sae.Seed,
                Density = DensityHistogram.Of(trained.Density.ToArray()),
                Seconds = report.Seconds.With("train", clock),
            });
        }
    }

    private static string Figures(TrainingProgress p) =>
        $"loss {p.Loss:0.###}  EV {p.ExplainedVariance:0.000}  L0 {p.L0:0.0}  dead {p.DeadFraction:0 %}{Waiting(p)}";

    /// <summary>Which side stands still for the other, where one does.</summary>
    private static string Waiting(TrainingProgress p) => Math.Max(p.WaitForActivations, p.WaitForTraining) < 0.005 ? ""
        : p.WaitForActivations > p.WaitForTraining ? $"  waits for: harvest {p.WaitForActivations:0 %}" : $"  waits for: SAE {p.WaitForTraining:0 %}";

    private static SaeMetadata Metadata(LoadedModel model, TrainOptions options, HookPoint at, TrainedSae trained) => new()
    {
        Hook = at,
        ModelName = model.Name,
        ModelSha256 = model.Model.Sha256,
        TokenizerSha256 = model.Tokenizer.Sha256,
        ContextSize = options.SequenceLength,
        DatasetPath = Path.GetFileName(options.Text),
        TrainingTokens = trained.TokensSeen,
        Seed = options.Sae.Seed,
        L1Coefficient = trained.SparsityCoefficient,
        DecoderConstraint = options.Sae.DecoderConstraint == DecoderConstraint.Renormalise
            ? "rows renormalised after each step" : "gradient projected, rows renormalised after each step",
    };

    private static void EnsureInModel(HookPoint at, LoadedModel model)
    {
        if (at.Layer >= model.Model.Config.NLayers) throw new ArgumentException(
            $"{at} names layer {at.Layer}; '{model.Folder}' has layers 0 to {model.Model.Config.NLayers - 1}.");
    }
}
