using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>
/// The loss on examples, every target weighed alike, and, only watched, the exact KL to the reference at the same targets; nats per target. Give
/// held-out examples to ask what was learnt, training examples to ask who taught it.
/// </summary>
public sealed class LossObjective : IObjective
{
    private readonly DialSeam seam;
    private readonly SftExample[] examples;
    private readonly long targets;

    /// <summary>An objective.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="examples">One or more, with a target each.</param>
    /// <param name="name">What it is called. Default <c>held-out loss</c>.</param>
    /// <exception cref="ArgumentException">There is no example, or one has no target.</exception>
    public LossObjective(DialSeam seam, IReadOnlyList<SftExample> examples, string name = "held-out loss")
    {
        if (examples.Count == 0) throw new ArgumentException("there is no example; give one or more.", nameof(examples));
        for (int i = 0; i < examples.Count; i++)
            if (examples[i].Targets == 0) throw new ArgumentException($"example {i} has nothing to predict; leave it out.", nameof(examples));
        (this.seam, this.examples, Name) = (seam, [.. examples], name);
        targets = examples.Sum(e => (long)e.Targets);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public bool HigherIsBetter => false;

    /// <inheritdoc/>
    public int Examples => examples.Length;

    /// <inheritdoc/>
    public IReadOnlyList<int> Groups => [.. Enumerable.Range(0, examples.Length)];

    /// <inheritdoc/>
    public IReadOnlyList<ObjectivePart> Parts { get; } = [new("loss", 1, "nats per target"), new("kl", 0, "nats per target", Score: 1)];

    /// <summary>The examples.</summary>
    public IReadOnlyList<SftExample> Rows => examples;

    /// <inheritdoc/>
    public Tensor Score(int score, IReadOnlyList<int> examples, DialTap dials)
    {
        using var scope = NewDisposeScope();
        var rows = Of(examples);
        var residual = seam.Residual(rows, dials);
        return (score == 0 ? Loss(rows, residual) : seam.Kl(rows, residual)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Scores(IReadOnlyList<int> examples, DialTap dials)
    {
        using var scope = NewDisposeScope();
        var rows = Of(examples);
        var residual = seam.Residual(rows, dials);
        return [Loss(rows, residual).MoveToOuterDisposeScope(), seam.Kl(rows, residual).MoveToOuterDisposeScope()];
    }

    private SftExample[] Of(IReadOnlyList<int> these) => [.. these.Select(i => examples[i])];

    private Tensor Loss(SftExample[] rows, Tensor residual) => seam.LogProbs(rows, residual, temperature: 1).neg();

    /// <inheritdoc/>
    public ObjectiveValue Combine(IReadOnlyList<double[]> scores, IReadOnlyList<int>? drawn = null)
    {
        double all = drawn?.Sum(i => (double)examples[i].Targets) ?? targets;
        double Mean(double[] score) => (drawn?.Sum(i => score[i]) ?? score.Sum()) / all;
        double loss = Mean(scores[0]);
        return new ObjectiveValue(loss, new Dictionary<string, double> { ["loss"] = loss, ["kl"] = Mean(scores[1]) });
    }

    /// <inheritdoc/>
    public double[] Slopes(int part, IReadOnlyList<double[]> scores) => [.. Enumerable.Repeat(1.0 / targets, examples.Length)];
}
