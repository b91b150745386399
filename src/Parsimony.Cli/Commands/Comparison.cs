using Parsimony.Cli.Runs;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Reporting;
using Parsimony.Training;

namespace Parsimony.Cli.Commands;

/// <summary>Evaluates several runs on the same text, each as <c>parsimony evaluate</c> does alone, and puts them side by side.</summary>
internal static class Comparison
{
    /// <summary>The run folders in a folder, by name; none where it is a run folder itself, or no folder.</summary>
    public static IReadOnlyList<string> Folders(string path) => !Directory.Exists(path) || RunFolder.Contains(path) ? []
        : [.. Directory.GetDirectories(path).Where(RunFolder.Contains).Order(StringComparer.Ordinal)];

    /// <summary>Evaluates.</summary>
    /// <param name="folders">Run folders.</param>
    /// <param name="options">For all of them.</param>
    /// <param name="terminal">Shows the table.</param>
    /// <exception cref="ArgumentException">One folder is named for the reports of all.</exception>
    public static IReadOnlyList<ComparisonRow> Run(IReadOnlyList<string> folders, EvaluateOptions options, Terminal terminal)
    {
        if (options.Out is not null)
            throw new ArgumentException($"--out is {options.Out}, but '{options.Sae}' holds {folders.Count} runs, each with a report of its own. Leave it out.");
        foreach (string folder in folders) EvaluationText.Of(options with { Sae = folder }); // before anything is measured
        SayWhatIsLeftOut(folders, terminal);
        terminal.WhenInterrupted = "What is measured so far is in the runs' folders; the same command goes on from it.";
        var runs = new List<ComparedRun>();
        LoadedModel? model = null;
        (string? Model, WeightStorage? Weights, string? Adapter) opened = default;
        try
        {
            foreach (string folder in folders)
            {
                var run = RunFolder.At(folder);
                var trained = run.Recall<TrainOptions>("train");
                var wanted = (Model: options.Model ?? trained?.Model, Weights: options.Load.Weights ?? trained?.Load.Weights, Adapter: options.Adapter ?? trained?.AdapterPlace());
                if (model is null || wanted != opened)
                {
                    model?.Dispose();
                    model = null; // should the next one not open
                    (model, opened) = (LoadedModel.Open(wanted.Model, options.Device, options.Load with { Weights = wanted.Weights }), wanted);
                    if (wanted.Adapter is { } adapter) model.Attach(adapter, options.Adapter is null ? trained!.AdapterSha256 : null);
                }
                runs.Add(Evaluated(run, trained, model, options, terminal));
            }
        }
        finally
        {
            model?.Dispose();
        }
        var rows = ComparisonRow.Of(runs);
        Print(rows, terminal);
        return rows;
    }

    private static ComparedRun Evaluated(RunFolder run, TrainOptions? trained, LoadedModel model, EvaluateOptions options, Terminal terminal)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(run.Folder));
        using var sae = LoadedSae.Open(run.Folder, model, options.Hook, takesTranscoders: true, anyAdapter: options.Adapter is not null);
        var r = EvaluateCommand.Run(sae, options with { Sae = run.Folder }, run, terminal, $"evaluate {name}");
        var metrics = MetricsFile.Read<TrainingProgress>(run.Metrics);
        var figures = new ComparedFigures(r.L0, r.CeClean, r.CeSpliced, r.CeZeroAblated, r.CeLossRecovered, r.ExplainedVariance, r.DeadFraction,
            metrics.Count > 0 ? metrics[^1].DeadFraction : null, r.Seconds?.TryGetValue("train", out double seconds) == true ? seconds : null);
        string architecture = trained is null ? sae.Sae.Architecture : Json.WriteLine(trained.Sae.Architecture).Trim('"');
        return new ComparedRun(name, run.Folder, architecture, trained, r.EvaluatedText, r.EvaluatedTokens, r.Evaluation?.Conditions, r.HeldOut, figures);
    }

    /// <summary>Runs beside the others that have no SAE yet would be missing from the table without a word.</summary>
    private static void SayWhatIsLeftOut(IReadOnlyList<string> folders, Terminal terminal)
    {
        var unfinished = folders.Select(f => Path.GetDirectoryName(Path.GetFullPath(Path.TrimEndingDirectorySeparator(f)))!).Distinct()
            .SelectMany(Directory.GetDirectories).Where(f => File.Exists(Path.Combine(f, "config.json")) && !RunFolder.Contains(f)).Select(Path.GetFileName).ToList();
        if (unfinished.Count > 0) terminal.Error.WriteLine($"left out, not trained to their end: {string.Join(", ", unfinished)}");
    }

    private static void Print(IReadOnlyList<ComparisonRow> rows, Terminal terminal)
    {
        terminal.Table(["SAE", "architecture", "L0#", "CE plain#", "spliced#", "zero#", "recovered#", "EV#", "dead %#", "in training#", "train s#"],
            rows.Select(r => (string[])
            [
                r.Name, r.Architecture, Cell(r, f => f.L0, "0.0"), Cell(r, f => f.CeClean, "0.000"), Cell(r, f => f.CeSpliced, "0.000"), Cell(r, f => f.CeZeroAblated, "0.000"),
                r.Mean.CeZeroAblated > r.Mean.CeClean ? Cell(r, f => f.CeLossRecovered, "0.000") : "-", // zeros cost nothing: it means nothing
                Cell(r, f => f.ExplainedVariance, "0.000"), Cell(r, f => 100 * f.DeadFraction, "0.0"), Cell(r, f => 100 * f.DeadFractionTraining, "0.0"),
                Cell(r, f => f.TrainSeconds, "0.0"),
            ]));
        var texts = rows.GroupBy(r => $"{r.EvaluatedText}, {r.EvaluatedTokens} tokens; {r.Conditions}").ToList();
        terminal.Say(texts.Count == 1 ? $"text: {texts[0].Key}"
            : $"NOT on one text: {string.Join("; ", texts.Select(t => $"{string.Join(", ", t.Select(r => r.Name))} on {t.Key}"))}");
        terminal.Say($"dead %: of the latents, over the tokens of the text; in training: over the look-back of its last steps."
            + (rows.Any(r => r.Spread is not null) ? " ±: sample standard deviation over the seeds." : ""));
        if (rows.Where(r => r.HeldOut == false).Select(r => r.Name).ToList() is { Count: > 0 } seen)
            terminal.Say($"NOT held out, trained on this file: {string.Join(", ", seen)}");
    }

    private static string Cell(ComparisonRow row, Func<ComparedFigures, double?> figure, string format)
    {
        if (figure(row.Mean) is not { } mean) return "-";
        string text = mean.ToString(format, null);
        return row.Spread is { } all && figure(all) is > 0 and var spread ? $"{text} ± {spread.ToString(format, null)}" : text; // the plain model has no spread
    }
}
