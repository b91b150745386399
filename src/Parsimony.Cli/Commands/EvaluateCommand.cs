using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Models;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony evaluate</c>.</summary>
internal sealed record EvaluateOptions
{
    [Positional]
    [Description("run folder, or an SAE in any format that convert knows")]
    public required string Sae { get; init; }

    [Description("held-out text: .txt, .jsonl or .jsonl.gz")]
    public required string Text { get; init; }

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

    [Description("also insert the SAE in every other layer (the article's figure)")]
    public bool LayerSweep { get; init; } = true;

    /// <summary>These options, or one error that names every fault.</summary>
    public EvaluateOptions Validated()
    {
        var faults = new List<string>();
        if (MaxContexts is < 1) faults.Add($"max_contexts is {MaxContexts}; it must be 1 or more");
        if (BatchContexts < 1) faults.Add($"batch_contexts is {BatchContexts}; it must be 1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }
}

/// <summary><c>parsimony evaluate</c>: what the SAE costs and keeps when it is spliced into its model.</summary>
internal static class EvaluateCommand
{
    public static Command Create() => CliCommand.Create<EvaluateOptions>(
        "evaluate", "Splices an SAE into its model and measures loss, reconstruction and sparsity, and the sweep over all layers.",
        (options, terminal) =>
        {
            using var sae = LoadedSae.Open(options.Sae, options.Model, options.Hook, takesTranscoders: true);
            string? folder = options.Out ?? (RunFolder.Contains(options.Sae) ? options.Sae : null);
            var report = Run(sae, options, folder is null ? null : RunFolder.At(folder), terminal);
            Print(report, terminal);
            return report;
        },
        [
            "parsimony evaluate runs/pythia --text wikitext-103-valid.txt",
            "parsimony evaluate my-sae --model pythia-70m --text held-out.txt --layer-sweep false --json",
        ]);

    /// <summary>Measures and adds to the run's report.</summary>
    public static RunReport Run(LoadedSae sae, EvaluateOptions options, RunFolder? run, Terminal terminal)
    {
        var clock = Stopwatch.StartNew();
        run?.Remember("evaluate", options, isBegun: false);
        var contexts = sae.Model.Pack(options.Text, options.SequenceLength, options.MaxContexts);
        long tokens = (long)contexts.Count * options.SequenceLength;

        SpliceReport splice;
        using (var progress = terminal.Progress("evaluate", 2 * tokens, "tokens"))
            splice = SpliceEvaluation.Run(sae.Model.Model, sae.At, sae.Sae, contexts, options.BatchContexts,
                to: sae.Metadata.HookOut, progress: progress.From<EvaluationProgress>(p => p.TokensDone + (p.Stage == "losses" ? tokens : 0)), cancellation: terminal.Interrupted);

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
            ExplainedVariance = splice.ExplainedVariance,
            L0 = splice.L0,
            DSae = splice.DSae,
            DeadFraction = splice.DeadFraction,
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
            new("CE plain", $"{report.CeClean:0.0000} nats/token"),
            new("CE spliced", $"{report.CeSpliced:0.0000}"),
            new("CE zero-ablated", $"{report.CeZeroAblated:0.0000}"),
            new("CE mean-ablated", $"{report.CeMeanAblated:0.0000}"),
            new("CE recovered", report.CeZeroAblated > report.CeClean ? $"{report.CeLossRecovered:0.0000}"
                : "means nothing here: on this text zeroing the layer costs nothing"),
            new("explained variance", $"{report.ExplainedVariance:0.0000}"),
            new("L0", $"{report.L0:0.0} of {report.DSae}"),
            new("dead on this text", $"{report.DeadFraction:0.0 %}"),
        ]);
        if (report.LayerSweep is { } sweep)
            terminal.Table(["SAE in layer#", "CE spliced#", "CE zero-ablated#"],
                sweep.Select(l => new[] { $"{l.Layer}", $"{l.CeSpliced:0.0000}", $"{l.CeZeroAblated:0.0000}" }));
    }
}
