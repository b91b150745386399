using Parsimony.Models;
using Parsimony.Splicing;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Where another method's adapter stands beside the dials that are analysed: measured in the model by the same objective, from its own rest.</summary>
public static class OtherMethod
{
    private const long CacheBytes = 1L << 30; // for the states below the first hook point

    /// <summary>Measures.</summary>
    /// <param name="adapter">Dials or a baseline, of the model; not owned.</param>
    /// <param name="model">The model; not owned.</param>
    /// <param name="saes">The SAEs of the analysed dials; a baseline does not run them.</param>
    /// <param name="asked">The objective and the text of <see cref="AnalysisSubject.HeldOutText"/> on a seam whose rest is the adapter's.</param>
    /// <param name="batchSize">Examples at a time, 1 or more.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>Its gain is that of the objective's first part; its cost the perplexity of the text, or the KL to its rest without one.</returns>
    public static ParetoPoint Measure(
        IAdapter adapter, Transformer model, IReadOnlyList<SplicedSae> saes, Func<DialSeam, (IObjective Objective, LossObjective? Text)> asked, int batchSize = 8, CancellationToken cancellation = default)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var first = saes.Select(s => s.At).Append(adapter.Hooks[0]).MinBy(at => (at.Layer, at.Site));
        using var prefixes = new PrefixCache(model, adapter is DialAdapter ? adapter.Hooks[0] : first, CacheBytes);
        var seam = adapter is DialAdapter dials ? DialSeam.Of(prefixes, dials)
            : new DialSeam(prefixes, saes, SpliceMode.Delta) { Positions = adapter.Positions };          // at rest a baseline is the plain model, and so is this
        var (objective, text) = asked(seam);
        ObjectiveValue Value(IObjective of, DialTap tap) => of.Combine(of.Scores(tap, batchSize, cancellation));
        (ObjectiveValue Before, ObjectiveValue After) Both(IObjective of) => (Value(of, seam.Rest()), Value(of, seam.With(adapter)));
        var (before, after) = Both(objective);
        var price = Price.Of(objective, after, text is null ? null : Both(text));
        return Point(adapter.Method, objective, before, after, price) with { TrainableParameters = adapter.TrainableParameters };
    }

    /// <summary>A method's place by what the objective came to and what it cost.</summary>
    internal static ParetoPoint Point(string name, IObjective objective, ObjectiveValue before, ObjectiveValue after, Price price)
    {
        string task = objective.Parts[0].Name;
        double gain = (after.Parts[task] - before.Parts[task]) * (objective.HigherIsBetter ? 1 : -1);
        return new ParetoPoint(name, price.PerplexityAfter ?? price.Kl, gain, Kl: price.Kl, DistinctPairs: price.DistinctPairsAfter);
    }
}
