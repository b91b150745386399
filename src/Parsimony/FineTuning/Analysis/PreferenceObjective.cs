using Parsimony.FineTuning.Preference;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// DPO's loss on pairs, <c>mean of -ln sigma(beta h)</c> with h how much more than the reference the dials prefer the chosen completion (<see cref="SigmoidLoss"/>), and, only
/// watched, h itself and the exact KL to the reference at the chosen completions' tokens.
/// </summary>
public sealed class PreferenceObjective : IObjective
{
    private readonly DialSeam seam;
    private readonly SftExample[] chosen, rejected;
    private readonly double beta;
    private readonly double[] reference; // ln p0(chosen) - ln p0(rejected)

    /// <summary>An objective.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="pairs">One or more.</param>
    /// <param name="beta">Above 0.</param>
    /// <param name="batchSize">Pairs scored together, 1 or more.</param>
    /// <param name="name">What it is called. Default <c>held-out preference loss</c>.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">There is no pair, or beta is not above 0.</exception>
    public PreferenceObjective(
        DialSeam seam, IReadOnlyList<PreferencePair> pairs, double beta, int batchSize = 8, string name = "held-out preference loss", CancellationToken cancellation = default)
    {
        if (pairs.Count == 0) throw new ArgumentException("there is no pair; give one or more.", nameof(pairs));
        if (!(beta > 0)) throw new ArgumentException($"beta is {beta}; it must be above 0.", nameof(beta));
        (this.seam, this.beta, Name, reference) = (seam, beta, name, new double[pairs.Count]);
        (chosen, rejected) = ([.. pairs.Select(p => p.ChosenExample)], [.. pairs.Select(p => p.RejectedExample)]);
        using var scope = NewDisposeScope();
        reference = this.Scores(seam.Rest(), batchSize, cancellation)[0];
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool HigherIsBetter => false;

    /// <inheritdoc/>
    public int Examples => chosen.Length;

    /// <inheritdoc/>
    public IReadOnlyList<int> Groups => [.. Enumerable.Range(0, chosen.Length)];

    /// <inheritdoc/>
    public IReadOnlyList<ObjectivePart> Parts { get; } = [new("loss", 1, "nats per pair"), new("margin", 0, "nats per pair"), new("kl", 0, "nats per target", Score: 1)];

    /// <summary>The chosen completions with their prompts.</summary>
    public IReadOnlyList<SftExample> Rows => chosen;

    /// <inheritdoc/>
    public Tensor Score(int score, IReadOnlyList<int> examples, DialTap dials)
    {
        using var scope = NewDisposeScope();
        SftExample[] Those(SftExample[] side) => [.. examples.Select(i => side[i])];
        if (score == 1) return seam.Kl(Those(chosen), seam.Residual(Those(chosen), dials)).MoveToOuterDisposeScope();
        Tensor Of(SftExample[] side) => seam.LogProbs(Those(side), seam.Residual(Those(side), dials), temperature: 1);
        var apart = Of(chosen) - Of(rejected);                                                   // [batch]
        return (apart - tensor(examples.Select(i => reference[i]).ToArray(), device: apart.device)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ObjectiveValue Combine(IReadOnlyList<double[]> scores, IReadOnlyList<int>? drawn = null)
    {
        double[] h = drawn is null ? scores[0] : [.. drawn.Select(i => scores[0][i])];
        double loss = h.Average(x => Softplus(-beta * x));
        int[] all = [.. drawn ?? Enumerable.Range(0, chosen.Length)];
        double kl = all.Sum(i => scores[1][i]) / all.Sum(i => (double)chosen[i].Targets);
        return new ObjectiveValue(loss, new Dictionary<string, double> { ["loss"] = loss, ["margin"] = h.Average(), ["kl"] = kl });
    }

    /// <inheritdoc/>
    public double[] Slopes(int part, IReadOnlyList<double[]> scores) =>
        part == 2 ? [.. Enumerable.Repeat(1.0 / chosen.Sum(e => (long)e.Targets), chosen.Length)]
            : [.. scores[0].Select(h => (part == 0 ? -beta / (1 + Math.Exp(beta * h)) : 1) / chosen.Length)];

    private static double Softplus(double x) => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)));
}
