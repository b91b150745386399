using System.Text.RegularExpressions;
using Parsimony.Files;

namespace Parsimony.Cli.Commands;

/// <summary>What is compared of an SAE: figures of its report.json, by the names they have there. Losses are nats per token.</summary>
/// <param name="L0">Mean active latents per token.</param>
/// <param name="CeClean">Loss of the plain model.</param>
/// <param name="CeSpliced">Loss with the reconstruction in place of the activation.</param>
/// <param name="CeZeroAblated">Loss with zeros in its place.</param>
/// <param name="CeLossRecovered">Of these three.</param>
/// <param name="ExplainedVariance">On the evaluation text.</param>
/// <param name="DeadFraction">Latents that fired on no token of the evaluation text / d_sae.</param>
/// <param name="DeadFractionTraining">Of the last line of metrics: over the look-back of training, many more tokens; null where it was not trained here.</param>
/// <param name="TrainSeconds">Seconds in the SAE's own steps when trained in a sweep, of the whole command when alone; null where it was not trained here.</param>
internal sealed record ComparedFigures(double? L0, double? CeClean, double? CeSpliced, double? CeZeroAblated, double? CeLossRecovered,
    double? ExplainedVariance, double? DeadFraction, double? DeadFractionTraining, double? TrainSeconds)
{
    /// <summary>One number for each figure out of those of several SAEs; null where one has none.</summary>
    public static ComparedFigures Of(IReadOnlyList<ComparedFigures> all, Func<double[], double> summary)
    {
        double? One(Func<ComparedFigures, double?> figure) => all.All(f => figure(f) is not null) ? summary([.. all.Select(f => figure(f)!.Value)]) : null;
        return new(One(f => f.L0), One(f => f.CeClean), One(f => f.CeSpliced), One(f => f.CeZeroAblated), One(f => f.CeLossRecovered),
            One(f => f.ExplainedVariance), One(f => f.DeadFraction), One(f => f.DeadFractionTraining), One(f => f.TrainSeconds));
    }
}

/// <summary>An evaluated run.</summary>
/// <param name="Name">Its folder's name.</param>
/// <param name="Folder">Its folder.</param>
/// <param name="Architecture">As <c>--architecture</c> has it.</param>
/// <param name="Options">What it was trained with; null where it was not trained here.</param>
/// <param name="EvaluatedText">The evaluation text, for people.</param>
/// <param name="EvaluatedTokens">Tokens of the evaluation text.</param>
/// <param name="Conditions">Protocol and form of the text, for people.</param>
/// <param name="HeldOut">Whether it was not trained on that; null where that is not known.</param>
/// <param name="Figures">Its figures.</param>
internal sealed record ComparedRun(string Name, string Folder, string Architecture, TrainOptions? Options, string? EvaluatedText,
    long? EvaluatedTokens, string? Conditions, bool? HeldOut, ComparedFigures Figures);

/// <summary>A row of the comparison: an SAE, or those that differ in their seed alone.</summary>
/// <param name="Name">The run's name; of several the part without the seed.</param>
/// <param name="Architecture">As <c>--architecture</c> has it.</param>
/// <param name="Folders">The run folder of each.</param>
/// <param name="Seeds">The seed of each; empty where it was not trained here.</param>
/// <param name="EvaluatedText">The evaluation text, for people.</param>
/// <param name="EvaluatedTokens">Tokens of the evaluation text.</param>
/// <param name="Conditions">Protocol and form of the text, for people.</param>
/// <param name="HeldOut">Whether it was not trained on that; null where that is not known.</param>
/// <param name="Mean">Figures, the mean over the seeds.</param>
/// <param name="Spread">Sample standard deviation over the seeds; null for one.</param>
internal sealed partial record ComparisonRow(string Name, string Architecture, IReadOnlyList<string> Folders, IReadOnlyList<long> Seeds, string? EvaluatedText,
    long? EvaluatedTokens, string? Conditions, bool? HeldOut, ComparedFigures Mean, ComparedFigures? Spread)
{
    /// <summary>Puts together runs whose options differ in nothing but the seed, in the order of the first of each.</summary>
    public static IReadOnlyList<ComparisonRow> Of(IEnumerable<ComparedRun> runs) => [.. runs.GroupBy(WithoutSeed).Select(g => Of([.. g]))];

    private static ComparisonRow Of(List<ComparedRun> runs)
    {
        List<ComparedFigures> figures = [.. runs.Select(r => r.Figures)];
        string name = string.Join(", ", runs.Select(r => runs.Count == 1 ? r.Name : Seed().Replace(r.Name, "")).Distinct());
        return new(name.Length > 0 ? name : runs[0].Architecture, runs[0].Architecture, [.. runs.Select(r => r.Folder)],
            [.. runs.Select(r => r.Options?.Sae.Seed).OfType<long>()], runs[0].EvaluatedText, runs[0].EvaluatedTokens, runs[0].Conditions, runs[0].HeldOut,
            ComparedFigures.Of(figures, v => v.Average()), runs.Count == 1 ? null : ComparedFigures.Of(figures, Deviation));
    }

    private static string WithoutSeed(ComparedRun run) => run.Options is not { } o ? run.Folder
        : Json.WriteLine(o with { Out = "", Sae = o.Sae with { Seed = 0 }, Buffer = o.Buffer with { Seed = 0 } });

    private static double Deviation(double[] values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1));
    }

    [GeneratedRegex("_?seed-[0-9]+")]
    private static partial Regex Seed();
}
