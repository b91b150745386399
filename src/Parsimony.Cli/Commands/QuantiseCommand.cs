using System.CommandLine;
using System.ComponentModel;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Files;
using Parsimony.Files.Hub;
using Parsimony.Models;
using Parsimony.Models.Storage;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony quantise</c>.</summary>
internal sealed record QuantiseOptions
{
    [Positional]
    [Description("model folder, or the name of one that was pulled")]
    public required string Model { get; init; }

    [Description("storage of the folder to write: bf16 | fp16 | int8 | nf4 | nf4_dq")]
    public WeightStorage Weights { get; init; } = WeightStorage.Nf4;

    [Description("folder to write; without it nothing is written, and --text says what each storage costs")]
    public string? Out { get; init; }

    [Description("text to measure the loss of every storage on")]
    public string? Text { get; init; }

    [Description("tokens per context of that text")]
    public int SequenceLength { get; init; } = 128;

    [Description("contexts of that text at most")]
    public int MaxContexts { get; init; } = 64;

    public TextOptions Corpus { get; init; } = new();

    /// <summary>These options, or what is wrong with them.</summary>
    public QuantiseOptions Validated() => Out is null && Text is null ? throw new ArgumentException("nothing is asked for. Give --out <folder> to write a quantised model, --text <text> to measure losses, or both.")
        : MaxContexts < 1 ? throw new ArgumentException($"max_contexts is {MaxContexts}; it must be 1 or more.") : this;
}

/// <summary><c>parsimony quantise MODEL</c>: a model's matrices in less memory, and what that costs.</summary>
internal static class QuantiseCommand
{
    /// <summary>A storage and what it costs.</summary>
    internal sealed record StorageLoss(WeightStorage Weights, long Bytes, double BytesPerParameter, double Ce, double Difference);

    /// <summary>The command's result.</summary>
    internal sealed record Quantised(string? Folder, WeightStorage Weights, long? Bytes, string? ModelSha256, string? Text, long Tokens, IReadOnlyList<StorageLoss> Losses);

    public static Command Create() => CliCommand.Create<QuantiseOptions>(
        "quantise", "Writes a model folder with its matrices in fewer bytes, and measures what each storage costs in loss.", Run,
        [
            "parsimony quantise EleutherAI/pythia-6.9b --weights nf4_dq --out models/pythia-6.9b-nf4",
            "parsimony quantise pythia-70m --text wikitext-103-valid.txt",
        ]);

    private static Quantised Run(QuantiseOptions options, Terminal terminal)
    {
        string model = HubCache.Local(options.Model, HubKind.Model, HubSettings.FromEnvironment());
        terminal.WhenInterrupted = options.Out is null ? null : $"Finished files are in {options.Out}; the same command goes on after them.";
        long? bytes = null;
        if (options.Out is { } folder)
        {
            using (var progress = terminal.Progress($"quantise to {options.Weights.Name()}", ModelQuantiser.Work(model), "bytes"))
                ModelQuantiser.Write(model, options.Weights, folder, progress.From<long>(done => done), terminal.Interrupted);
            bytes = ModelWeights.Paths(folder).Sum(path => new FileInfo(path).Length);
            terminal.Say($"{ByteSize.Text(bytes.Value)} in {folder}; name it wherever a model is asked for.");
        }
        var (losses, tokens) = options.Text is null ? ([], 0) : Losses(model, options, terminal);
        if (losses.Count > 0)
            terminal.Table(["weights", "in memory#", "bytes a parameter#", "CE, nats/token#", "difference#"],
                losses.Select(l => (string[])[l.Weights.Name(), ByteSize.Text(l.Bytes), $"{l.BytesPerParameter:0.00}", $"{l.Ce:0.0000}", $"{l.Difference:+0.00000;-0.00000;0}"]));
        using var source = ModelWeights.Open(model);
        return new(options.Out, options.Weights, bytes, source.Sha256, options.Text is { } text ? Path.GetFileName(text) : null, tokens, losses);
    }

    private static (List<StorageLoss> Losses, long Tokens) Losses(string folder, QuantiseOptions options, Terminal terminal)
    {
        var losses = new List<StorageLoss>();
        long tokens = 0;
        foreach (var storage in Enum.GetValues<WeightStorage>())
        {
            using var model = LoadedModel.Open(folder, load: new WeightOptions { Weights = storage }).ToBeRunWhole();
            var contexts = model.Pack(options.Text!, options.Corpus, options.SequenceLength, options.MaxContexts);
            terminal.Note(model.Notes);
            tokens = (long)contexts.Count * options.SequenceLength;
            var size = new ModelSize(model.Model.Config, storage);
            double ce;
            using (var progress = terminal.Progress($"loss in {storage.Name()}", tokens, "tokens"))
                ce = PlainLoss.Of(model.Model, EvaluationWindows.Article(contexts), progress: progress.From<EvaluationProgress>(p => p.TokensDone), cancellation: terminal.Interrupted);
            losses.Add(new(storage, size.Bytes, (double)size.Bytes / size.Parameters, ce, losses.Count == 0 ? 0 : ce - losses[0].Ce));
        }
        return (losses, tokens);
    }
}
