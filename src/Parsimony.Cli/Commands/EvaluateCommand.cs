using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Parsimony.Cli.Runs;
using Parsimony.Evaluation;
using Parsimony.Files;
using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony evaluate</c>: what the SAE costs and keeps when it is spliced into its model.</summary>
internal static class EvaluateCommand
{
    public static Command Create() => CliCommand.Create<EvaluateOptions>(
        "evaluate", "Splices an SAE into its model and measures loss, reconstruction and sparsity, and the sweep over all layers.",
        (options, terminal) =>
        {
            if (Comparison.Folders(options.Sae) is { Count: > 0 } runs) return Comparison.Run(runs, options, terminal);
            using var sae = LoadedSae.Open(options.Sae, options.Model, options.Hook, takesTranscoders: true, options.Device, options.Load, options.Adapter);
            string? folder = options.Out ?? (RunFolder.Contains(options.Sae) ? options.Sae : null);
            if (options.Plan) return Plan(sae, options, folder, terminal);
            if (folder is not null) terminal.WhenInterrupted = $"Its state is in {folder}; the same command goes on from it.";
            var report = Run(sae, options, folder is null ? null : RunFolder.At(folder), terminal);
            EvaluationFacts.Print(report, terminal);
            return report;
        },
        [
            "parsimony evaluate runs/pythia",
            "parsimony evaluate runs/pythia --text wikitext-103-valid.txt",
            "parsimony evaluate runs/pythia --text wikitext-103-valid.txt --protocol strided --detokenise",
            "parsimony evaluate runs/pythia --adapter runs/pythia --out runs/pythia-in-tuned",
            "parsimony evaluate runs/sweep --text wikitext-103-valid.txt",
            "parsimony evaluate my-sae --model pythia-70m --text held-out.txt --layer-sweep false --json",
        ]);

    private static ResourcePlan Plan(LoadedSae sae, EvaluateOptions options, string? folder, Terminal terminal)
    {
        options = options.Resolved(sae.Model.Model.Config);
        var (text, notes) = EvaluationText.Of(options).Read(sae.Model, options);
        terminal.Note(notes);
        var plan = SplicedPlans.Evaluation(sae, options, text.Windows.Sum(w => (long)w.Ids.Length), folder);
        plan.Print(terminal, "evaluation", isRefused: false);
        return plan;
    }

    /// <summary>Measures and adds to the run's report; goes on where an earlier call stopped, and takes the report of one that was finished.</summary>
    public static RunReport Run(LoadedSae sae, EvaluateOptions options, RunFolder? run, Terminal terminal, string what = "evaluate")
    {
        var clock = Stopwatch.StartNew();
        options = options.Resolved(sae.Model.Model.Config);
        var source = EvaluationText.Of(options);
        var (text, notes) = source.Read(sae.Model, options);
        terminal.Note(notes);
        bool sweeps = options.LayerSweep && sae.Metadata.HookOut is null; // the article's figure is of one site
        string identity = Identity(sae, options, source, text, sweeps);
        if (run is not null && !options.Again && run.Report is { Evaluation: { } done } finished && done.Identity == identity)
        {
            terminal.Note([$"{what}: measured already, with the same options on the same text ({finished.Date:yyyy-MM-dd HH:mm}); --again measures anew."]);
            run.DropEvaluationCheckpoints(); // of a process killed behind its report
            return finished;
        }
        run?.Remember("evaluate", options with { Again = false, Plan = false }, isBegun: false);

        var windows = text.Windows;
        var model = sae.Model.Model;
        EvaluationCheckpoint? Checkpoint(string? path) => path is null ? null : new(path, identity, TimeSpan.FromSeconds(options.CheckpointEverySeconds));
        var saved = Checkpoint(run?.EvaluationCheckpoint);
        if (saved?.IsOfAnother == true) terminal.Note([$"{what}: what was begun in '{run!.Folder}' was of other options, text, model or SAE; begun anew."]);
        double earlier = saved?.SecondsBefore ?? 0; // in calls that were interrupted
        var part = Stopwatch.StartNew();
        SpliceReport splice;
        using (var progress = terminal.Progress(what, 2 * windows.Tokens, "tokens", saved?.TokensBefore ?? 0))
            splice = SpliceEvaluation.Run(model, sae.At, sae.Sae, windows, options.BatchContexts!.Value, to: sae.Metadata.HookOut, checkpoint: saved,
                progress: progress.From<EvaluationProgress>(p => p.TokensDone + (p.Stage == "losses" ? windows.Tokens : 0)), cancellation: terminal.Interrupted);
        double spliceSeconds = part.Elapsed.TotalSeconds + earlier;

        DecoderReport decoder;
        using (var progress = terminal.Progress("decoder", DecoderReport.Pairs(sae.Sae.DSae), "pairs of latents"))
            decoder = DecoderReport.Of(sae.Sae, progress.From<long>(pairs => pairs), terminal.Interrupted);
        IReadOnlyList<LayerLoss>? sweep = null;
        double sweepSeconds = 0;
        if (sweeps)
        {
            part.Restart();
            var swept = Checkpoint(run?.LayerSweepCheckpoint);
            using var progress = terminal.Progress("layer sweep", windows.Tokens, "tokens", swept?.TokensBefore ?? 0);
            sweep = LayerSweep.Run(model, sae.At.Site, sae.Sae, windows, options.BatchContexts!.Value, swept, progress.From<EvaluationProgress>(p => p.TokensDone), terminal.Interrupted);
            sweepSeconds = part.Elapsed.TotalSeconds + (swept?.SecondsBefore ?? 0);
            earlier += swept?.SecondsBefore ?? 0;
        }

        double? Word(double ce) => text.Words is { } words ? Math.Exp(ce * splice.Predictions / words) : null;
        var conditions = new EvaluationSummary
        {
            Protocol = options.Protocol,
            SequenceLength = options.SequenceLength!.Value,
            Stride = options.Stride,
            Weights = model.Storage,
            AdapterSha256 = model.AttachedSha256,
            Form = text.Form,
            Detokenised = options.Detokenise,
            PredictedTokens = splice.Predictions,
            PerplexityClean = splice.PerplexityClean,
            PerplexitySpliced = splice.PerplexitySpliced,
            Words = text.Words,
            WordPerplexityClean = Word(splice.CeClean),
            WordPerplexitySpliced = Word(splice.CeSpliced),
            TokensPerSecond = Math.Round(windows.Tokens / spliceSeconds, 1),
            LayerSweepSeconds = sweeps ? Math.Round(sweepSeconds, 2) : null,
            LayerSweepCost = sweeps ? LayerSweepCost.Of(model.Config.NLayers, sae.At.Site) : null,
            Identity = identity,
        };
        RunReport Add(RunReport report) => Figures(report, splice, decoder) with
        {
            ModelName = sae.Model.Name,
            EvaluatedText = text.Name,
            HeldOut = source.IsHeldOut,
            Evaluation = conditions,
            LayerSweep = sweep?.Select(l => new LayerSweepEntry { Layer = l.Layer, CeSpliced = l.CeSpliced, CeZeroAblated = l.CeZeroAblated }).ToList(),
            Seconds = report.Seconds.With("evaluate", clock.Elapsed.TotalSeconds + earlier),
        };
        if (run is null) return Add(new RunReport { Version = ProgramVersion.Text });
        var report = run.Update(Add);
        run.DropEvaluationCheckpoints();
        return report;
    }

    private static RunReport Figures(RunReport report, SpliceReport splice, DecoderReport decoder) => report with
    {
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
    };

    /// <summary>A hash of all that the figures and their words depend on; device and threads, which change no more than rounding, apart.</summary>
    private static string Identity(LoadedSae sae, EvaluateOptions options, EvaluationText source, EvaluatedText text, bool sweeps) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Json.WriteLine(new
        {
            Version = ProgramVersion.Text,
            Model = sae.Model.Model.Sha256,
            sae.Model.Model.Storage,
            Adapter = sae.Model.Model.AttachedSha256,
            Tokenizer = sae.Model.Tokenizer.Sha256,
            Sae = sae.Sha256,
            At = $"{sae.At}",
            To = $"{sae.Metadata.HookOut}",
            Windows = text.Windows.Sha256(),
            Text = text.Name,
            text.Form,
            text.Words,
            source.IsHeldOut,
            options.Protocol,
            options.SequenceLength,
            options.Stride,
            options.BatchContexts,
            options.Detokenise,
            Sweeps = sweeps,
        }))));
}
