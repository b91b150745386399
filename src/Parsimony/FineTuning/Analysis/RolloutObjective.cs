using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What one reward says of every continuation.</summary>
/// <param name="Name">The reward's name.</param>
/// <param name="Weight">What it counts for.</param>
/// <param name="Values">One for each continuation, before the weight.</param>
public sealed record RolloutReward(string Name, double Weight, IReadOnlyList<double> Values);

/// <summary>
/// The expected reward of what the model says, less what its KL to the reference costs, as a function of the dials on a fixed set of continuations: some
/// sampled from the reference, some from the tuned model, each weighed by how likely the dials in question make it,
/// <c>w = p(y) / q(y)</c> with <c>q = (n0 p0 + n1 p1) / n</c> (the balance heuristic; Veach and Guibas 1995), the weights brought to sum 1. Then
/// <c>J = sum w R</c> is deterministic, differentiable, and estimates all policies between the two from the same samples; no weight is above n / n0 at
/// the reference or n / n1 at the tuned model.
/// </summary>
/// <remarks>Away from the two policies few samples carry the sum: <see cref="ObjectiveValue.EffectiveSamples"/> says how many. Normalising the weights
/// biases the estimate by an order of 1 / effective samples.</remarks>
public sealed class RolloutObjective : IObjective
{
    private readonly DialSeam seam;
    private readonly SftExample[] rows;
    private readonly IReadOnlyList<RolloutReward> rewards;
    private readonly double temperature;
    private readonly double[] reference, logMixture; // ln p0(y), ln q(y)

    /// <summary>An objective.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="tuned">The dials that the second part of the continuations was sampled with.</param>
    /// <param name="continuations">Prompt and continuation of each, the prompt's length as first target; first those of the reference, then those of the tuned model.</param>
    /// <param name="fromReference">How many are the reference's, 1 or more; there must be some of the tuned model's as well.</param>
    /// <param name="rewards">One or more; the first is the task.</param>
    /// <param name="groups">The prompt of each, by a number from 0.</param>
    /// <param name="klCoefficient">What a nat of sequence KL costs, 0 or more.</param>
    /// <param name="temperature">They were sampled at; above 0.</param>
    /// <param name="batchSize">Rows scored together, 1 or more.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="ArgumentException">The numbers of continuations, values and groups differ, or a half is empty.</exception>
    public RolloutObjective(
        DialSeam seam, DialChange tuned, IReadOnlyList<SftExample> continuations, int fromReference, IReadOnlyList<RolloutReward> rewards,
        IReadOnlyList<int> groups, double klCoefficient, double temperature = 1, int batchSize = 32, CancellationToken cancellation = default)
    {
        int n = continuations.Count;
        if (fromReference < 1 || fromReference >= n) throw new ArgumentException(
            $"{fromReference} of {n} continuations are the reference's; both it and the tuned model need one or more.", nameof(fromReference));
        if (groups.Count != n || rewards.Count == 0 || rewards.Any(r => r.Values.Count != n)) throw new ArgumentException(
            $"there are {n} continuations, {groups.Count} groups and rewards of {string.Join(", ", rewards.Select(r => r.Values.Count))} values; give one of each for every continuation.", nameof(rewards));
        ArgumentOutOfRangeException.ThrowIfNegative(klCoefficient);
        (this.seam, rows, this.rewards, this.temperature, Groups, FromReference) = (seam, [.. continuations], rewards, temperature, groups, fromReference);
        Parts = [.. rewards.Select(r => new ObjectivePart(r.Name, r.Weight, "reward")), new("kl", -klCoefficient, "nats per continuation"), new("length", 0, "tokens")];
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        reference = this.Scores(seam.Rest(), batchSize, cancellation)[0];
        double[] after = this.Scores(seam.With(tuned), batchSize, cancellation)[0];
        double share = (double)fromReference / n;
        logMixture = [.. reference.Zip(after, (a, b) => Math.Max(a, b) + Math.Log(share * Math.Exp(a - Math.Max(a, b)) + (1 - share) * Math.Exp(b - Math.Max(a, b))))];
    }

    /// <inheritdoc/>
    public string Name => "reward";

    /// <inheritdoc/>
    public bool HigherIsBetter => true;

    /// <inheritdoc/>
    public int Examples => rows.Length;

    /// <inheritdoc/>
    public IReadOnlyList<int> Groups { get; }

    /// <inheritdoc/>
    public IReadOnlyList<ObjectivePart> Parts { get; }

    /// <summary>How many of the continuations, the first ones, are the reference's.</summary>
    public int FromReference { get; }

    /// <summary>Prompt and continuation of each.</summary>
    public IReadOnlyList<SftExample> Rows => rows;

    /// <inheritdoc/>
    public Tensor Score(int score, IReadOnlyList<int> examples, DialTap dials)
    {
        using var scope = NewDisposeScope();
        SftExample[] these = [.. examples.Select(i => rows[i])];
        return seam.LogProbs(these, seam.Residual(these, dials), temperature).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public ObjectiveValue Combine(IReadOnlyList<double[]> scores, IReadOnlyList<int>? drawn = null)
    {
        double[] Of(double[] each) => drawn is null ? each : [.. drawn.Select(i => each[i])];
        double[] weights = Normalised(Of([.. scores[0].Zip(logMixture, (p, q) => p - q)]));
        double[] parts = [.. Enumerable.Range(0, Parts.Count).Select(p => Mean(weights, Of(Values(p, scores[0]))))];
        return new ObjectiveValue(parts.Zip(Parts, (value, part) => part.Weight * value).Sum(), Parts.Zip(parts).ToDictionary(p => p.First.Name, p => p.Second))
        {
            EffectiveSamples = 1 / weights.Sum(w => w * w),
        };
    }

    /// <inheritdoc/>
    public double[] Slopes(int part, IReadOnlyList<double[]> scores)
    {
        // d sum(w V) = sum w (V - mean) d ln p, since w is a softmax over the continuations; the KL's own V = ln p - ln p0 moves as well.
        double[] weights = Normalised([.. scores[0].Zip(logMixture, (p, q) => p - q)]), values = Values(part, scores[0]);
        double mean = Mean(weights, values), itself = part == rewards.Count ? 1 : 0;
        return [.. weights.Zip(values, (w, v) => w * (v - mean + itself))];
    }

    private double[] Values(int part, double[] logProbs) =>
        part < rewards.Count ? [.. rewards[part].Values]
        : part == rewards.Count ? [.. logProbs.Zip(reference, (now, then) => now - then)]
        : [.. rows.Select(r => (double)r.Targets)];

    private static double[] Normalised(double[] logs)
    {
        double most = logs.Max();
        double sum = logs.Sum(l => Math.Exp(l - most));
        return [.. logs.Select(l => Math.Exp(l - most) / sum)];
    }

    private static double Mean(double[] weights, double[] values) => weights.Zip(values, (w, v) => w * v).Sum();
}
