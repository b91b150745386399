namespace Parsimony.FineTuning.Analysis;

/// <summary>What an analysis amounts to, in plain sentences; it says so where that is nothing.</summary>
internal static class Verdict
{
    private const double FewSamples = 0.1; // of the continuations

    public static IReadOnlyList<string> Of(DialAnalysis a, AnalysisOptions options)
    {
        if (a.Changed == 0) return ["All dials are at rest: nothing was changed."];
        return [.. ((string?[])[Outcome(a), Movement(a), Noise(a), Agreement(a, options), Carried(a), Interaction(a), Books(a, options), Samples(a)]).OfType<string>()];
    }

    private static string Outcome(DialAnalysis a)
    {
        bool zeroInside = a.Change.Low <= 0 && a.Change.High >= 0, better = a.Change.Value > 0 == a.HigherIsBetter;
        string range = $"from {a.Reference.Total:0.0000} to {a.Tuned.Total:0.0000}, {a.Change.Value:+0.0000;-0.0000;0} (95 % interval {a.Change.Low:+0.0000;-0.0000;0} to {a.Change.High:+0.0000;-0.0000;0})";
        string the = a.Beside.Count == 0 ? "The" : $"With the dials at {string.Join(" and ", a.Beside)} as they are, the";
        return zeroInside ? $"{the} {a.Objective} went {range}: on these examples that cannot be told from no change."
            : $"{the} {a.Objective} went {range}, for the {(better ? "better" : "worse")}.";
    }

    private static string Movement(DialAnalysis a) =>
        $"{a.Changed} of {a.DSae} latents have changed dials; the top 10 carry {100 * a.Lorenz.Top[10]:0.#} % of the movement of the output, half of it lies on {a.Lorenz.HalfAt}.";

    private static string Noise(DialAnalysis a) =>
        a.Null?.Sentence ?? "There was no null run: how far latents move when there is nothing to learn is not known, and no movement by itself means anything.";

    private static string Agreement(DialAnalysis a, AnalysisOptions options)
    {
        string rate = $"{100 * options.FalseDiscoveryRate:0.#} %";
        if (a.Tested == 0) return "No feature could be tested: none that moved has two examples that pull at it.";
        if (a.Agreed == 0) return $"No feature is significant: examples agree about none of the {a.Tested} tested at a false discovery rate of {rate}.";
        string both = a.Null is null || a.Significant.Count == a.Agreed ? "" : $"; {a.Significant.Count} of them are beyond the null runs as well";
        return $"Examples agree about {a.Agreed} of {a.Tested} features at a false discovery rate of {rate}{both}.";
    }

    private static string? Carried(DialAnalysis a) => a.Curves.NineTenthsAt is { } k && k > 0 ? $"The {k} strongest features alone bring nine tenths of the change or more." : null;

    private static string? Interaction(DialAnalysis a)
    {
        double sum = a.LeaveOneOut.SumOfKeptIn, together = a.LeaveOneOut.Together.Total;
        return a.LeaveOneOut.Features.Count < 2 || Math.Abs(sum - together) <= 0.1 * Math.Abs(together) ? null
            : $"Features interact: the {a.LeaveOneOut.Features.Count} strongest bring {together:+0.0000;-0.0000;0} together and {sum:+0.0000;-0.0000;0} one by one.";
    }

    private static string? Books(DialAnalysis a, AnalysisOptions options) => Math.Abs(a.Ledger.Residual) <= options.LedgerTolerance ? null
        : $"The ledger misses the change by {100 * Math.Abs(a.Ledger.Residual):0.#} % after {a.Ledger.Steps} gradients; do not read single entries.";

    private static string? Samples(DialAnalysis a)
    {
        double least = a.Doses.Where(d => d.Alpha <= 1).Select(d => d.Value.EffectiveSamples).Append(a.Tuned.EffectiveSamples).Min() ?? double.PositiveInfinity;
        return least >= FewSamples * a.Examples ? null
            : $"Between reference and tuned model the estimate rests on {least:0.#} effective of {a.Examples} continuations: sample more, or train less far.";
    }
}
