using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Passes over all examples of an objective, some at a time.</summary>
internal static class ObjectiveScores
{
    /// <summary>Every score of every example, without gradient.</summary>
    public static IReadOnlyList<double[]> Scores(this IObjective objective, DialTap dials, int batchSize, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        using var noGradient = no_grad();
        int kinds = objective.Parts.Max(p => p.Score) + 1;
        var scores = Enumerable.Range(0, kinds).Select(_ => new double[objective.Examples]).ToArray();
        foreach (int[] batch in Enumerable.Range(0, objective.Examples).Chunk(batchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            foreach (var (kind, each) in objective.Scores(batch, dials).Index())
            {
                double[] values = each.cpu().data<double>().ToArray();
                for (int i = 0; i < batch.Length; i++) scores[kind][batch[i]] = values[i];
            }
        }
        return scores;
    }

    /// <summary>What the objective comes to with these dials.</summary>
    public static ObjectiveValue Measure(this IObjective objective, DialSeam seam, DialChange change, int batchSize, CancellationToken cancellation)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        return objective.Combine(objective.Scores(seam.With(change), batchSize, cancellation));
    }
}
