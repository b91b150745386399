using Parsimony.Models;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>A part of an objective: what it is, and what it counts for in the whole.</summary>
/// <param name="Name">Such as <c>loss</c>, <c>kl</c>, or a reward's name.</param>
/// <param name="Weight">What it is multiplied by in the sum; 0: it is only watched.</param>
/// <param name="Unit">Of the part before its weight.</param>
/// <param name="Score">Which of the objective's scores it is made of.</param>
public sealed record ObjectivePart(string Name, double Weight, string Unit, int Score = 0);

/// <summary>What an objective comes to for some dials.</summary>
/// <param name="Total">The sum of the parts with their weights.</param>
/// <param name="Parts">The parts before their weights, by name.</param>
public sealed record ObjectiveValue(double Total, IReadOnlyDictionary<string, double> Parts)
{
    /// <summary>Where it is estimated by weighted samples: how many unweighted ones they are worth, <c>1 / sum of squared weights</c>; else null.</summary>
    public double? EffectiveSamples { get; init; }

    /// <summary>This less another, total and part by part.</summary>
    internal ObjectiveValue Less(ObjectiveValue other) => new(Total - other.Total, Parts.ToDictionary(p => p.Key, p => p.Value - other.Parts[p.Key]));
}

/// <summary>
/// What dials are for, as a deterministic function of c and d on fixed examples. The dials decide one or more scores of each example (its loss, the
/// log-probability of a continuation), the scores of all examples decide the parts. Since an example's scores depend on no other example, one backward
/// pass gives the gradient of each, and every part's gradient is a sum of them with <see cref="Slopes"/>.
/// </summary>
public interface IObjective
{
    /// <summary>In a few words: <c>held-out loss</c>, <c>reward</c>.</summary>
    string Name { get; }

    /// <summary>Whether more is better.</summary>
    bool HigherIsBetter { get; }

    /// <summary>How many examples there are.</summary>
    int Examples { get; }

    /// <summary>For each example the number of its group, from 0: examples of one group (continuations of one prompt) are not independent of each other.</summary>
    IReadOnlyList<int> Groups { get; }

    /// <summary>The parts, the first of them the task.</summary>
    IReadOnlyList<ObjectivePart> Parts { get; }

    /// <summary>A score of some examples.</summary>
    /// <param name="score">Which, from 0; those that the parts name.</param>
    /// <param name="examples">Indices of examples, one or more.</param>
    /// <param name="dials">What is in the model's seam.</param>
    /// <returns><c>[batch]</c>, float64, with the gradient of the dials, in the caller's scope.</returns>
    Tensor Score(int score, IReadOnlyList<int> examples, DialTap dials);

    /// <summary>All scores of some examples; those that share a pass may have it once.</summary>
    /// <param name="examples">Indices of examples, one or more.</param>
    /// <param name="dials">What is in the model's seam.</param>
    /// <returns>One for each score, as <see cref="Score"/> gives them to the bit, with the gradient of the dials, in the caller's scope.</returns>
    IReadOnlyList<Tensor> Scores(IReadOnlyList<int> examples, DialTap dials) => [.. Enumerable.Range(0, Parts.Max(p => p.Score) + 1).Select(score => Score(score, examples, dials))];

    /// <summary>What the parts come to.</summary>
    /// <param name="scores">For each score, its value for every example.</param>
    /// <param name="drawn">Indices of examples, some perhaps several times, to make an interval of; null: all, each once.</param>
    ObjectiveValue Combine(IReadOnlyList<double[]> scores, IReadOnlyList<int>? drawn = null);

    /// <summary>The derivative of a part, before its weight, by its score of each example.</summary>
    /// <param name="part">Index of the part.</param>
    /// <param name="scores">For each score, its value for every example; only the part's own is sure to be there.</param>
    double[] Slopes(int part, IReadOnlyList<double[]> scores);
}
