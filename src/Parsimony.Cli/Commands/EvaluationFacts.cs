using Parsimony.Reporting;

namespace Parsimony.Cli.Commands;

/// <summary>An evaluation for people.</summary>
internal static class EvaluationFacts
{
    public static void Print(RunReport report, Terminal terminal)
    {
        var conditions = report.Evaluation!;
        terminal.Facts(
        [
            new("hook", report.Hook),
            new("text", $"{report.EvaluatedText}, {report.EvaluatedTokens} tokens{(report.HeldOut == false ? "; NOT held out: the SAE was trained on this file" : "")}"),
            new("measured under", conditions.Conditions),
            new("CE plain", $"{report.CeClean:0.0000} nats/token  (perplexity {conditions.PerplexityClean:0.00})"),
            new("CE spliced", $"{report.CeSpliced:0.0000}  (perplexity {conditions.PerplexitySpliced:0.00})"),
            .. conditions.Words is { } words ? [new("word perplexity plain / spliced",
                $"{conditions.WordPerplexityClean:0.00} / {conditions.WordPerplexitySpliced:0.00}  (over {words} words of the text as it was)")] : (KeyValuePair<string, object?>[])[],
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
            new("speed", $"{Progress.Amount(conditions.TokensPerSecond)} tokens/s"),
        ]);
        if (report.LayerSweep is not { } sweep) return;
        terminal.Table(["SAE in layer#", "CE spliced#", "CE zero-ablated#"],
            sweep.Select(l => new[] { $"{l.Layer}", $"{l.CeSpliced:0.0000}", $"{l.CeZeroAblated:0.0000}" }));
        if (conditions.LayerSweepCost is { } cost) terminal.Say(
            $"layer sweep: {cost.LayerPasses:0.#} passes of a layer instead of {cost.LayerPassesWithoutReuse:0} ({cost.Ratio:0.00} times as many), {conditions.LayerSweepSeconds:0.0} s");
    }
}
