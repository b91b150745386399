using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>One part of the objective in the ledger.</summary>
/// <param name="Name">The part.</param>
/// <param name="Weight">What it counts for in the whole.</param>
/// <param name="Change">How far it changed from the reference to the tuned model, before its weight.</param>
/// <param name="Shares">What each latent has of that, <c>[d_sae]</c>, before the weight.</param>
public sealed record LedgerPart(string Name, double Weight, double Change, double[] Shares);

/// <summary>
/// The ledger: how much of the objective's change each latent has, by the gradient along the straight line from rest to the dials (integrated
/// gradients; Sundararajan et al. 2017, section 3): <c>a_j = gamma_j * mean dJ/dgamma_j + d_j * mean dJ/dd_j</c> over alpha in 0..1, so that they sum to the
/// change. A latent at rest has exactly 0.
/// </summary>
public sealed record PathAttribution
{
    /// <summary>Points of the midpoint rule.</summary>
    public required int Steps { get; init; }

    /// <summary>Objective of the tuned model less that of the reference, measured.</summary>
    public required double Change { get; init; }

    /// <summary>(sum over latents - change) / |change|: what the rule misses; 0 where nothing changed and nothing is attributed.</summary>
    public required double Residual { get; init; }

    /// <summary>How far the latents' shares still moved when the points were tripled, of the sum of their sizes: sum |a - a'| / sum |a|.</summary>
    public required double SplitError { get; init; }

    /// <summary>What each latent has by its scale, <c>[d_sae]</c>, all parts with their weights.</summary>
    public required double[] ByScale { get; init; }

    /// <summary>What each has by its shift, <c>[d_sae]</c>.</summary>
    public required double[] ByShift { get; init; }

    /// <summary>The same by part, scale and shift together.</summary>
    public required IReadOnlyList<LedgerPart> Parts { get; init; }

    /// <summary>What each latent has, <c>[d_sae]</c>.</summary>
    public double[] Totals => [.. ByScale.Zip(ByShift, (c, d) => c + d)];

    /// <summary>Attributes. The points are tripled, for then every gradient is used again, until the sum is within the tolerance of the change.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="change">The dials.</param>
    /// <param name="objective">What changed.</param>
    /// <param name="tolerance">Of the residual, above 0. Default 0.01.</param>
    /// <param name="mostSteps">9 or more; at most this many gradients. Default 81.</param>
    /// <param name="batchSize">Examples at a time.</param>
    /// <param name="each">Called after each gradient.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static PathAttribution Of(
        DialSeam seam, DialChange change, IObjective objective, double tolerance = 0.01, int mostSteps = 81, int batchSize = 8, Action? each = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mostSteps, 9);
        using var outer = NewDisposeScope();
        ObjectiveValue At(DialChange dials) => objective.Measure(seam, dials, batchSize, cancellation);
        var (before, after) = (At(DialChange.None(change.DSae)), At(change));
        double whole = after.Total - before.Total;
        int parts = objective.Parts.Count;
        var weights = tensor(objective.Parts.Select(p => p.Weight).ToArray()).view(parts, 1, 1);
        var (gamma, shift) = change.Moves();
        var moves = stack([gamma, shift]).unsqueeze(0);                              // [1, 2, d_sae]
        var sum = zeros([parts, 2, change.DSae], ScalarType.Float64);                 // of gradient * move over the points so far

        void Add(int i, int steps)
        {
            using var scope = NewDisposeScope();
            using var gradients = ExampleGradients.At(seam, objective, change.Along((i + 0.5) / steps), batchSize, Enumerable.Range(0, parts), cancellation);
            sum.add_(moves * stack([.. Enumerable.Range(0, parts).Select(p => gradients.Of(p)).Select(g => stack([g.Gamma, g.Shift]))]));
            each?.Invoke();
        }

        int steps = 3;
        for (int i = 0; i < steps; i++) Add(i, steps);
        double residual, splitError;
        do
        {
            var coarse = (sum * weights).sum([0L, 1L]) / steps;
            for (int i = 0; i < 3 * steps; i++)
                if (i % 3 != 1) Add(i, 3 * steps);                                    // the middle third's midpoint is the coarse one's
            steps *= 3;
            var fine = (sum * weights).sum([0L, 1L]) / steps;
            double missed = fine.sum().item<double>() - whole, size = fine.abs().sum().item<double>();
            residual = missed == 0 ? 0 : missed / Math.Abs(whole);
            splitError = size == 0 ? 0 : (fine - coarse).abs().sum().item<double>() / size;
        }
        while (!(Math.Abs(residual) <= tolerance) && 3 * steps <= mostSteps);

        double[] Shares(Tensor t) => t.contiguous().data<double>().ToArray();
        var shares = sum / steps;
        return new PathAttribution
        {
            Steps = steps,
            Change = whole,
            Residual = residual,
            SplitError = splitError,
            ByScale = Shares((shares * weights).sum([0L]).select(0, 0)),
            ByShift = Shares((shares * weights).sum([0L]).select(0, 1)),
            Parts = [.. objective.Parts.Select((p, i) => new LedgerPart(p.Name, p.Weight, after.Parts[p.Name] - before.Parts[p.Name], Shares(shares[i].sum([0L]))))],
        };
    }
}
