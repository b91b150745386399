using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// Whether examples agree about a feature. Each example (or group of examples that depend on each other) pulls at each latent's dials; along the way the
/// dials went, the pull is one number, <c>dJ/dgamma * gamma + dJ/dd * d</c> at rest, signed so that above 0 is for the better. t is their mean over its
/// standard error: large where many examples pull the same way, near 1 where a single one does it all.
/// </summary>
public sealed record FeatureStatistics
{
    /// <summary>Groups of examples.</summary>
    public required int Groups { get; init; }

    /// <summary>t of the pull along the way each went, <c>[d_sae]</c>; 0 where there is none.</summary>
    public required double[] T { get; init; }

    /// <summary>Two-sided p of <see cref="T"/> with groups - 1 degrees of freedom; 1 where there is none.</summary>
    public required double[] P { get; init; }

    /// <summary>False discovery rate (Benjamini and Hochberg 1995) among the features tested; 1 for the others.</summary>
    public required double[] Q { get; init; }

    /// <summary>t of the gradient of the scale alone, moved or not, signed so that above 0 is a pull to more; 0 where there is none.</summary>
    public required double[] TScale { get; init; }

    /// <summary>The same of the shift.</summary>
    public required double[] TShift { get; init; }

    /// <summary>Features tested: those that moved and are pulled at by two groups or more.</summary>
    public required int Tested { get; init; }

    /// <summary>Measures.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="objective">Best on examples that were not learnt from: on those that were, features agree because they were fitted to.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static FeatureStatistics Measure(
        DialSeam seam, DialChange change, IObjective objective, int batchSize = 8, CancellationToken cancellation = default)
    {
        using var gradients = ExampleGradients.At(seam, objective, DialChange.None(change.DSae), batchSize, ExampleGradients.Weighted(objective), cancellation);
        return Of(gradients, change, objective);
    }

    internal static FeatureStatistics Of(ExampleGradients gradients, DialChange change, IObjective objective)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var (gamma, shift) = change.Moves();
        var (scalePull, shiftPull) = Grouped(gradients, objective);                  // [groups, d_sae]
        var pull = scalePull * gamma + shiftPull * shift;
        int groups = (int)pull.size(0);
        double[] t = Numbers(TOf(pull)), seen = Numbers(pull.ne(0).sum(0, type: ScalarType.Float64));
        int[] tested = [.. Enumerable.Range(0, change.DSae).Where(i => seen[i] >= 2)];
        var (p, q) = (new double[change.DSae], new double[change.DSae]);
        Array.Fill(p, 1);
        Array.Fill(q, 1);
        foreach (int i in tested) p[i] = StudentT.TwoSided(t[i], groups - 1);
        double[] rates = StudentT.FalseDiscoveryRates([.. tested.Select(i => p[i])]);
        for (int i = 0; i < tested.Length; i++) q[tested[i]] = rates[i];
        return new FeatureStatistics
        {
            Groups = groups,
            T = t,
            P = p,
            Q = q,
            TScale = Numbers(TOf(scalePull)),
            TShift = Numbers(TOf(shiftPull)),
            Tested = tested.Length,
        };
    }

    /// <summary>What each group of examples adds to the gradient, above 0 for the better, <c>[groups, d_sae]</c> each, in the caller's scope.</summary>
    internal static (Tensor Scale, Tensor Shift) Grouped(ExampleGradients gradients, IObjective objective)
    {
        using var scope = NewDisposeScope();
        var (scale, shift) = gradients.Total();
        int groups = objective.Groups.Max() + 1, better = objective.HigherIsBetter ? 1 : -1;
        var which = tensor(objective.Groups.Select(g => (long)g).ToArray());
        Tensor Sum(Tensor each) => (zeros([groups, each.size(1)], ScalarType.Float64).index_add(0, which, each, 1) * better).MoveToOuterDisposeScope();
        return (Sum(scale), Sum(shift));
    }

    /// <summary>mean / (standard deviation / root n) of each column; 0 where all are 0 or there is one row alone.</summary>
    internal static Tensor TOf(Tensor x)
    {
        using var scope = NewDisposeScope();
        long n = x.size(0);
        if (n < 2) return zeros(x.size(1), ScalarType.Float64).MoveToOuterDisposeScope();
        var mean = x.mean([0L]);
        var error = ((x - mean).square().sum([0L]) / (n - 1) / n).sqrt();
        return (mean / error).masked_fill(mean.eq(0) & error.eq(0), 0).MoveToOuterDisposeScope();
    }

    private static double[] Numbers(Tensor t) => t.data<double>().ToArray();
}
