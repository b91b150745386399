using System.CommandLine;
using System.ComponentModel;
using Parsimony.Autoencoders;
using Parsimony.Cli.Runs;
using Parsimony.Files.Hub;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Native;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony reward-model</c>.</summary>
internal sealed record RewardModelOptions
{
    [Description("what to learn from: .jsonl with chosen and rejected, or with text and label, in each row")]
    public required string Data { get; init; }

    [Description("held-out data of the same kind; the default holds a share of the data out")]
    public string? HeldOut { get; init; }

    [Description("model folder; the default is the SAE's, or the bundled one")]
    public string? Model { get; init; }

    [Description("run folder or SAE folder: rewards become sums over its latents")]
    public string? Sae { get; init; }

    [Description("run folder; the reward model is put into reward-model/ there")]
    public string Out { get; init; } = "runs/reward";

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("print memory and time needed, and do nothing")]
    public bool Plan { get; init; }

    public WeightOptions Load { get; init; } = new();

    public PreferenceOptions Rows { get; init; } = new();

    public RewardHeadOptions Head { get; init; } = new();

    /// <summary>These options, checked.</summary>
    public RewardModelOptions Validated()
    {
        DeviceOption.Ensure(Device);
        return this;
    }
}

/// <summary>What <c>parsimony reward-model</c> prints under --json.</summary>
/// <param name="RewardModel">The folder.</param>
/// <param name="Classes">Names of the classes; none: a reward.</param>
/// <param name="TrainableParameters">How many numbers were learnt.</param>
/// <param name="TrainCount">Pairs or texts learnt from.</param>
/// <param name="HeldOutCount">Pairs or texts held out.</param>
/// <param name="Train">On what it learnt from.</param>
/// <param name="HeldOut">On what is held out.</param>
/// <param name="Baseline">Held-out accuracy of a rule that learnt nothing.</param>
/// <param name="NullAccuracy">Held-out accuracy after verdicts dealt out at random.</param>
/// <param name="Latents">With an SAE, what adds most to rewards.</param>
/// <param name="Seconds">Wall-clock seconds.</param>
internal sealed record RewardModelSummary(
    string RewardModel, IReadOnlyList<string> Classes, int TrainableParameters, int TrainCount, int HeldOutCount, RewardScoring Train, RewardScoring? HeldOut, double? Baseline,
    double? NullAccuracy, IReadOnlyList<RewardLatent> Latents, double Seconds);

/// <summary><c>parsimony reward-model</c>: learn what texts are worth from pairs, or a classifier from labels, on a frozen model.</summary>
internal static class RewardModelCommand
{
    public static Command Create() => CliCommand.Create<RewardModelOptions>(
        "reward-model", "Learns a reward from pairs of a better and a worse text, or a classifier from texts with a label, for 'rlhf' to use.",
        (options, terminal) =>
        {
            using var sae = options.Sae is null ? null : LoadedSae.Open(options.Sae, options.Model, options.Head.Hook, device: options.Device, load: options.Load);
            using var own = sae is null ? LoadedModel.Open(options.Model, options.Device, options.Load).ToBeRunWhole() : null;
            var model = sae?.Model ?? own!;
            if (options.Plan) return Plan(model, sae, options, terminal);
            var summary = Run(model, sae, options, RunFolder.At(options.Out), terminal);
            Print(summary, terminal);
            return summary;
        },
        [
            "parsimony reward-model --data pairs.jsonl --model pythia-410m --out runs/reward",
            "parsimony reward-model --data labelled.jsonl --pooling mean --hook blocks.3.resid_post --out runs/sentiment",
            "parsimony reward-model --data pairs.jsonl --sae runs/pythia --out runs/readable-reward",
            "parsimony reward-model --data pairs.jsonl --model pythia-410m --plan",
        ]);

    /// <summary>Reads the data, learns, saves the head.</summary>
    private static RewardModelSummary Run(LoadedModel model, LoadedSae? sae, RewardModelOptions options, RunFolder run, Terminal terminal)
    {
        run.Remember("reward_model", options, isBegun: RunFolder.IsBegun(run.RewardModel));
        terminal.WhenInterrupted = $"The state is in {run.Folder}; the same command goes on from it.";
        terminal.Note(model.Notes);
        var (train, heldOut) = Data(model, options, terminal);
        var head = options.Head with { Hook = sae?.At ?? options.Head.Hook };
        using var result = Train(model, sae?.Sae, head, train, heldOut, run.RewardModel, terminal);
        RewardHeadFolder.Save(run.RewardModel, result.Head, new RewardHeadConfig
        {
            BaseModelName = model.Name,
            BaseModelFolder = Path.GetFullPath(model.Folder),
            BaseModelSha256 = model.Model.Sha256!,
            BaseModelWeights = model.Model.Storage,
            Hook = head.Hook,
            Sae = sae is null ? null : Path.GetFullPath(sae.Folder),
            SaeSha256 = sae?.Sha256,
            Pooling = head.Pooling,
            Classes = train.Classes,
            ReadsPrompt = train.Texts.Any(t => t.HasPrompt),
            SequenceLength = train.SequenceLength,
            Gain = result.Gain,
            Offset = result.Offset,
            Results = Results(result),
            Latents = result.Latents,
        });
        return new(run.RewardModel, train.Classes, result.Head.TrainableParameters, train.Count, heldOut.Count, result.Train, result.HeldOut, result.Baseline, result.NullAccuracy,
            result.Latents, result.Seconds);
    }

    private static ResourcePlan Plan(LoadedModel model, LoadedSae? sae, RewardModelOptions options, Terminal terminal)
    {
        terminal.Note(model.Notes);
        var (train, heldOut) = Data(model, options, terminal);
        var plan = RewardModelPlan.Of(model, sae, options, train, heldOut);
        plan.Print(terminal, "reward model", isRefused: false);
        return plan;
    }

    private static (RewardData Train, RewardData HeldOut) Data(LoadedModel model, RewardModelOptions options, Terminal terminal)
    {
        var rows = options.Rows with { SequenceLength = Math.Min(options.Rows.SequenceLength, model.Model.Config.MaxSequenceLength) };
        RewardData Load(string path, IReadOnlyList<string>? classes)
        {
            var data = RewardData.Load(HubCache.Local(path, HubKind.Dataset, HubSettings.FromEnvironment()), model.Tokenizer, rows, classes);
            if (data.Warning is { } warning) terminal.Note([warning]);
            return data;
        }
        var all = Load(options.Data, null);
        return options.HeldOut is { } path ? (all, Load(path, all.IsPairs ? null : all.Classes)) : all.Split(options.Head.HeldOutFraction, options.Head.Seed);
    }

    private static RewardHeadResult Train(
        LoadedModel model, ISparseAutoencoder? sae, RewardHeadOptions options, RewardData train, RewardData heldOut, string folder, Terminal terminal)
    {
        var reading = terminal.Progress("reading", train.Texts.Count, "texts");
        var shown = reading;
        try
        {
            return new RewardHeadTrainer(model.Model, options, sae).Train(train, heldOut, folder, new Told<RewardHeadProgress>(p =>
            {
                if (shown == reading)
                {
                    reading.Dispose();
                    shown = terminal.Progress("reward model", p.Steps, "steps");
                }
                shown.Report(p.Step, $"loss {p.Loss:0.000}  accuracy {p.Accuracy:0.000}");
            }), reading.From<int>(n => n), terminal.Interrupted);
        }
        finally
        {
            shown.Dispose();
        }
    }

    private static Dictionary<string, double> Results(RewardHeadResult r)
    {
        var results = new Dictionary<string, double> { ["train_accuracy"] = r.Train.Accuracy.Value };
        if (r.HeldOut is { } held)
        {
            (results["held_out_accuracy"], results["held_out_accuracy_low"], results["held_out_accuracy_high"]) = (held.Accuracy.Value, held.Accuracy.Low, held.Accuracy.High);
            (results["held_out_loss"], results["held_out_margin"]) = (held.Loss, held.Margin);
        }
        if (r.Baseline is { } baseline) results["baseline_accuracy"] = baseline;
        if (r.NullAccuracy is { } noise) results["null_run_accuracy"] = noise;
        return results;
    }

    private static void Print(RewardModelSummary s, Terminal terminal)
    {
        bool pairs = s.Classes.Count == 0;
        terminal.Facts(
        [
            new("kind", pairs ? "reward, from pairs" : $"classifier: {string.Join(", ", s.Classes)}"),
            new("learnt from / held out", $"{s.TrainCount} / {s.HeldOutCount}"),
            new("held-out accuracy", s.HeldOut?.Accuracy is { } a ? $"{a.Value:0.000} ({a.Low:0.000} to {a.High:0.000})" : "nothing held out"),
            new(pairs ? "always the longer text" : "always the commonest label", s.Baseline is { } b ? $"{b:0.000}" : "-"),
            new("after verdicts at random", s.NullAccuracy is { } n ? $"{n:0.000}" : "-"),
            new("accuracy on what it learnt from", $"{s.Train.Accuracy.Value:0.000}"),
            new("reward model", s.RewardModel),
        ]);
        if (s.Latents.Count > 0)
            terminal.Table(["latent#", "class", "weight#", "mean activation#", "adds on average#"], s.Latents.Select(l =>
                (string[])[$"{l.Latent}", l.Class ?? "-", $"{l.Weight:0.000}", $"{l.MeanActivation:0.000}", $"{l.MeanContribution:0.000}"]));
    }

    private sealed class Told<T>(Action<T> tell) : IProgress<T>
    {
        public void Report(T value) => tell(value);
    }
}
