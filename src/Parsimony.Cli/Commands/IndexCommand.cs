using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Exploration.Index;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony index</c>.</summary>
internal sealed record IndexOptions
{
    [Positional]
    [Description("run folder, or an SAE in any format that convert knows")]
    public required string Sae { get; init; }

    [Description("text to look through; the default is what the SAE was trained on")]
    public string? Text { get; init; }

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("demand that the SAE was trained here, or say where if its file does not; the default is the SAE's own hook point")]
    public HookPoint? Hook { get; init; }

    [Description("folder that gets index/; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("tokens to look through at most; none: the whole text")]
    public long? MaxTokens { get; init; } = 1_000_000;

    [Description("tokens per context; the default is what the SAE was trained with")]
    public int? SequenceLength { get; init; }

    [Description(DeviceOption.Text)]
    public string Device { get; init; } = TorchDevice.Cpu;

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();

    public FeatureIndexOptions Index { get; init; } = new();

    /// <summary>These options, or one error that names every fault.</summary>
    public IndexOptions Validated()
    {
        Index.Validated();
        DeviceOption.Ensure(Device);
        return this;
    }
}

/// <summary><c>parsimony index</c>: what every latent looks like, in files that cards, reports and pages are shown from.</summary>
internal static class IndexCommand
{
    /// <summary>The command's result.</summary>
    internal sealed record Indexed(string Folder, int DSae, long Tokens, string Text, long Bytes, double BytesPerLatent, long TokenBytes, int Alive, int Measured, double Seconds);

    public static Command Create() => CliCommand.Create<IndexOptions>(
        "index", "Runs a model over a text once and writes what every latent of an SAE looks like: RUN/index, for show and report.",
        (options, terminal) =>
        {
            string folder = options.Out ?? (RunFolder.Contains(options.Sae) ? options.Sae : throw new UsageException(
                $"'{options.Sae}' is not a run folder; say with --out where the index goes."));
            options.Validated();
            using var sae = LoadedSae.Open(options.Sae, options.Model, options.Hook, device: options.Device, load: options.Load);
            var indexed = Run(sae, options, RunFolder.At(folder), terminal);
            terminal.Facts(
            [
                new("latents", $"{indexed.DSae}, of which {indexed.Alive} fire and {indexed.Measured} were measured by taking them out"),
                new("text", $"{indexed.Text}, {Progress.Amount(indexed.Tokens)} tokens"),
                new("on disk", $"{ByteSize.Text(indexed.Bytes + indexed.TokenBytes)}, {indexed.BytesPerLatent:0} bytes a latent"),
                new("next", $"parsimony show feature LATENT --run {folder}"),
            ]);
            return indexed;
        },
        ["parsimony index runs/demo", "parsimony index runs/pythia --max-tokens 1e7 --measured-latents 4096", "parsimony index my-sae --model pythia-70m --text wiki.txt --out runs/wiki"]);

    /// <summary>Makes the run's index, or goes on with it; does nothing where it is there already, of the same SAE, text and options.</summary>
    public static Indexed Run(LoadedSae sae, IndexOptions options, RunFolder run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        var train = RunFolder.Contains(options.Sae) ? RunFolder.Existing(options.Sae).Recall<TrainOptions>("train") : null;
        string text = options.Text ?? train?.Text ?? throw new UsageException($"'{options.Sae}' does not say what text it was trained on. Name one with 'parsimony index --text'.");
        int length = options.SequenceLength ?? train?.SequenceLength ?? (sae.Metadata.ContextSize > 0 ? sae.Metadata.ContextSize : EvaluateOptions.ArticleLength);
        if (options.MaxTokens < length) throw new UsageException($"--max-tokens is {options.MaxTokens}; it must be one context ({length}) or more.");
        bool own = options.Text is null;
        var contexts = sae.Model.PackTraining(text, own ? train!.Corpus : options.Corpus, length, own ? train!.HeldOutFraction : 0, (int?)Math.Min(int.MaxValue, options.MaxTokens / length ?? int.MaxValue));
        terminal.Note(sae.Model.Notes);
        run.Remember("index", options, isBegun: false);

        var source = new IndexSource(sae.Model.Name, sae.Sha256, sae.Model.Tokenizer.Sha256, Path.GetFileName(text));
        using var builder = new FeatureIndexBuilder(run.Index, sae.Model.Model, sae.At, sae.Sae, contexts, source, options.Index);
        if (builder.IsComplete) terminal.Note([$"index: it is in {run.Index} already, of the same SAE, text and options."]);
        terminal.WhenInterrupted = $"Where the index stands is in {run.Index}; the same command goes on from it.";
        using (var stages = new StageProgress(terminal)) builder.Build(stages, terminal.Interrupted);
        terminal.WhenInterrupted = null;
        using var index = FeatureIndex.Open(run.Index);
        int alive = 0, measured = 0;
        for (int i = 0; i < index.DSae; i++) (alive, measured) = (alive + (index.Fired[i] > 0 ? 1 : 0), measured + (float.IsNaN(index.Effect[i]) ? 0 : 1));
        return new(run.Index, index.DSae, index.Header.Tokens, Path.GetFileName(text), index.Header.Bytes, Math.Round(index.BytesPerLatent, 1), index.TokenBytes, alive, measured,
            Math.Round(clock.Elapsed.TotalSeconds, 2));
    }

    /// <summary>The index of a run: the one that is there, brought up to date, or one with the default options.</summary>
    public static FeatureIndex OpenOrMake(LoadedSae sae, string path, RunFolder run, Terminal terminal)
    {
        Run(sae, run.Recall<IndexOptions>("index") ?? new IndexOptions { Sae = path }, run, terminal);
        return FeatureIndex.Open(run.Index);
    }

    // A display for each stage, one after the other.
    private sealed class StageProgress(Terminal terminal) : IProgress<IndexProgress>, IDisposable
    {
        private Progress? shown;
        private string? stage;

        public void Report(IndexProgress value)
        {
            if (stage != value.Stage)
            {
                shown?.Dispose();
                shown = terminal.Progress("index, " + value.Stage, value.Total, value.Unit);
                stage = value.Stage;
            }
            shown!.Report(value.Done);
        }

        public void Dispose() => shown?.Dispose();
    }
}
