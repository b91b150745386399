using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Reporting;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony evaluate</c>.</summary>
internal sealed record EvaluateOptions
{
    [Positional]
    [Description("run folder, an SAE in any format that convert knows, or a folder of runs, such as a sweep's: then a table")]
    public required string Sae { get; init; }

    [Description("held-out text: a file, folder or pattern of .txt, .jsonl, .parquet or .pgn; the default is what --held-out-fraction left out of the run's own text")]
    public string? Text { get; init; }

    [Description("model folder; a run folder knows its own")]
    public string? Model { get; init; }

    [Description("demand that the SAE was trained here, or say where if its file does not; the default is the SAE's own hook point")]
    public HookPoint? Hook { get; init; }

    [Description("run folder for report.json; the default is the SAE's own run folder, if it has one")]
    public string? Out { get; init; }

    [Description("tokens per context")]
    public int SequenceLength { get; init; } = 128;

    [Description("contexts to measure on; the default is all")]
    public int? MaxContexts { get; init; }

    [Description("contexts per forward pass")]
    public int BatchContexts { get; init; } = 8;

    [Description("where the model and the SAE run: cpu | cuda | cuda:N (a GPU, with a libtorch that has CUDA)")]
    public string Device { get; init; } = TorchDevice.Cpu;

    [Description("also insert the SAE in every other layer (the article's figure)")]
    public bool LayerSweep { get; init; } = true;

    /// <summary>These options, or one error that names every fault.</summary>
    public EvaluateOptions Validated()
    {
        var faults = new List<string>();
        if (TorchDevice.Fault(Device) is { } fault) faults.Add(fault);
        if (MaxContexts is < 1) faults.Add($"max_contexts is {MaxContexts}; it must be 1 or more");
        if (BatchContexts < 1) faults.Add($"batch_contexts is {BatchContexts}; it must be 1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }

    public TextOptions Corpus { get; init; } = new();

    public WeightOptions Load { get; init; } = new();
}

/// <summary><c>parsimony evaluate</c>: what the SAE costs and keeps when it is spliced into its model.</summary>
internal static class EvaluateCommand
{
    public static Command Create() => CliCommand.Create<EvaluateOptions>(
        "evaluate", "Splices an SAE into its model and measures loss, reconstruction and sparsity, and the sweep over all layers.",
        (options, terminal) =>
        {
            if (Comparison.Folders(options.Sae) is { Count: > 0 } runs) return Comparison.Run(runs, options, terminal);
            using var sae = LoadedSae.Open(options.Sae, options.Model, options.Hook, takesTranscoders: true, options.Device, options.Load);
            string? folder = options.Out ?? (RunFolder.Contains(options.Sae) ? options.Sae : null);
            var report = Run(sae, options, folder is null ? null : RunFolder.At(folder), terminal);
            Print(report, terminal);
            return report;
        },
        [
            "parsimony evaluate runs/pythia",
            "parsimony evaluate runs/pythia --text wikitext-103-valid.txt",
            "parsimony evaluate runs/sweep --text wikitext-103-valid.txt",
            "parsimony evaluate my-sae --model pythia-70m --text held-out.txt --layer-sweep false --json",
        ]);

    /// <summary>Measures and adds to the run's report.</summary>
    public static RunReport Run(LoadedSae sae, EvaluateOptions options, RunFolder? run, Terminal terminal, string what = "evaluate")
    {
        var clock = Stopwatch.StartNew();
        run?.Remember("evaluate", options, isBegun: false);
        var text = EvaluationText.Of(options);
        var (contexts, evaluated) = text.Pack(sae.Model, options);
        terminal.Note(sae.Model.Notes);
        long tokens = (long)contexts.Count * options.SequenceLength;

        SpliceReport splice;
        using (var progress = terminal.Progress(what, 2 * tokens, "tokens"))
            splice = SpliceEvaluation.Run(sae.Model.Model, sae.At, sae.Sae, contexts, options.BatchContexts,
                to: sae.Metadata.HookOut, progress: progress.From<EvaluationProgress>(p => p.TokensDone + (p.Stage == "losses" ? tokens : 0)), cancellation: terminal.Interrupted);

        var decoder = DecoderReport.Of(sae.Sae, terminal.Interrupted);
        IReadOnlyList<LayerLoss>? sweep = null;
        if (options.LayerSweep && sae.Metadata.HookOut is null) // the article's figure is of one site
        {
            using var progress = terminal.Progress("layer sweep", tokens, "tokens");
            sweep = LayerSweep.Run(sae.Model.Model, sae.At.Site, sae.Sae, contexts, options.BatchContexts,
                progress.From<EvaluationProgress>(p => p.TokensDone), terminal.Interrupted);
        }

        RunReport Add(RunReport report) => report with
        {
            ModelName = sae.Model.Name,
            Hook = splice.At.ToString(),
            CeClean = splice.CeClean,
            CeSpliced = splice.CeSpliced,
            CeZeroAblated = splice.CeZeroAblated,
            CeMeanAblated = splice.CeMeanAblated,
            CeLossRecovered = splice.CeLossRecovered,
            CeLossRecoveredFromMean = splice.CeLossRecoveredFromMean,
            KlSpliced = splice.KlSpliced,
            KlZeroAblated = splice.KlZeroAblated,
            KlMeanAblated = splice.KlMeanAblated,
            KlScore = splice.KlScore,
            EvaluatedTokens = splice.TokensSeen,
            EvaluatedText = evaluated,
            HeldOut = text.IsHeldOut,
            Mse = splice.Reconstruction.Mse,
            ExplainedVariance = splice.ExplainedVariance,
            Fvu = splice.Reconstruction.Fvu,
            ExplainedVarianceLegacy = splice.Reconstruction.ExplainedVarianceLegacy,
            Cosine = splice.Reconstruction.Cosine,
            L2Ratio = splice.Reconstruction.L2Ratio,
            RelativeReconstructionBias = splice.Reconstruction.RelativeReconstructionBias,
            L0 = splice.L0,
            L1 = splice.Reconstruction.L1,
            DSae = splice.DSae,
            DeadFraction = splice.DeadFraction,
            DenseFraction = splice.Sparsity.DenseFraction,
            DecoderMaxCosineMean = decoder.MaxCosineMean,
            DecoderMaxCosineP95 = decoder.MaxCosineP95,
            EncoderDecoderCosineMean = decoder.EncoderCosineMean,
            Density = DensityHistogram.Of(splice.Sparsity.Density),
            LayerSweep = sweep?.Select(l => new LayerSweepEntry { Layer = l.Layer, CeSpliced = l.CeSpliced, CeZeroAblated = l.CeZeroAblated }).ToList(),
            Seconds = report.Seconds.With("evaluate", clock),
        };
        return run?.Update(Add) ?? Add(new RunReport { Version = ProgramVersion.Text });
    }

    private static void Print(RunReport report, Terminal terminal)
    {
        terminal.Facts(
        [
            new("hook", report.Hook),
            new("text", $"{report.EvaluatedText}, {report.EvaluatedTokens} tokens{(report.HeldOut == false ? "; NOT held out: the SAE was trained on this file" : "")}"),
            new("CE plain", $"{report.CeClean:0.0000} nats/token"),
            new("CE spliced", $"{report.CeSpliced:0.0000}"),
            new("CE zero-ablated", $"{report.CeZeroAblated:0.0000}"),
            new("CE mean-ablated", $"{report.CeMeanAblated:0.0000}"),
            new("CE recovered", report.CeZeroAblated > report.CeClean ? $"{report.CeLossRecovered:0.0000}"
                : "means nothing here: on this text zeroing the layer costs nothing"),
            new("CE recovered from mean", report.CeMeanAblated > report.CeClean ? $"{report.CeLossRecoveredFromMean:0.0000}"
                : "means nothing here: on this text the mean costs nothing"),
            new("KL spliced / zero / mean", $"{report.KlSpliced:0.0000} / {report.KlZeroAblated:0.0000} / {report.KlMeanAblated:0.0000} nats/token"),
            new("KL score", $"{report.KlScore:0.0000}"),
            new("explained variance", $"{report.ExplainedVariance:0.0000}  (FVU {report.Fvu:0.0000}; legacy, mean of ratios {report.ExplainedVarianceLegacy:0.0000})"),
            new("MSE", $"{report.Mse:0.####}"),
            new("cosine", $"{report.Cosine:0.0000}"),
            new("L2 ratio", $"{report.L2Ratio:0.0000}  (relative reconstruction bias {report.RelativeReconstructionBias:0.0000})"),
            new("L0", $"{report.L0:0.0} of {report.DSae}"),
            new("L1", $"{report.L1:0.####}"),
            new("dead / dense on this text", $"{report.DeadFraction:0.0 %} / {report.DenseFraction:0.0 %} of latents, over {report.EvaluatedTokens} tokens"),
            new("decoder, nearest other row", $"cosine {report.DecoderMaxCosineMean:0.000} on average, {report.DecoderMaxCosineP95:0.000} at the 0.95 quantile"),
            new("encoder to decoder", report.EncoderDecoderCosineMean is { } tied ? $"cosine {tied:0.000}" : "two spaces, no cosine"),
        ]);
        if (report.LayerSweep is { } sweep)
            terminal.Table(["SAE in layer#", "CE spliced#", "CE zero-ablated#"],
                sweep.Select(l => new[] { $"{l.Layer}", $"{l.CeSpliced:0.0000}", $"{l.CeZeroAblated:0.0000}" }));
    }
}
