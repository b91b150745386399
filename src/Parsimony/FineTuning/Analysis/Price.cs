using Parsimony.Evaluation;

namespace Parsimony.FineTuning.Analysis;

/// <summary>What the change costs: things nobody asked to have changed.</summary>
public sealed record Price
{
    /// <summary>exp(loss) on a text that was not learnt from, before; null without one.</summary>
    public double? PerplexityBefore { get; init; }

    /// <summary>The same after.</summary>
    public double? PerplexityAfter { get; init; }

    /// <summary>Exact KL from the tuned model to the reference on that text, nats per token; null without one.</summary>
    public double? TextKl { get; init; }

    /// <summary>KL to the reference as the objective measures it.</summary>
    public required double Kl { get; init; }

    /// <summary>Its unit.</summary>
    public required string KlUnit { get; init; }

    /// <summary>Different pairs of tokens / pairs of tokens over the reference's continuations; null without continuations.</summary>
    public double? DistinctPairsBefore { get; init; }

    /// <summary>The same of the tuned model's.</summary>
    public double? DistinctPairsAfter { get; init; }

    /// <summary>Mean tokens of the reference's continuations; null without continuations.</summary>
    public double? LengthBefore { get; init; }

    /// <summary>The same of the tuned model's.</summary>
    public double? LengthAfter { get; init; }

    /// <summary>Adds it up.</summary>
    /// <param name="objective">What was analysed.</param>
    /// <param name="tuned">What it comes to with the dials.</param>
    /// <param name="text">The loss on a held-out text before and after, with its parts; null without one.</param>
    public static Price Of(IObjective objective, ObjectiveValue tuned, (ObjectiveValue Before, ObjectiveValue After)? text = null)
    {
        var kl = objective.Parts.First(p => p.Name == "kl");
        var price = new Price
        {
            Kl = tuned.Parts["kl"],
            KlUnit = kl.Unit,
            PerplexityBefore = text is { } t ? Math.Exp(t.Before.Total) : null,
            PerplexityAfter = text is { } u ? Math.Exp(u.After.Total) : null,
            TextKl = text?.After.Parts["kl"],
        };
        if (objective is not RolloutObjective rollouts) return price;
        int[][] said = [.. rollouts.Rows.Select(r => r.Tokens[r.FirstTarget..])];
        int[][] before = said[..rollouts.FromReference], after = said[rollouts.FromReference..];
        return price with
        {
            DistinctPairsBefore = DistinctNgrams.Of(before, 2),
            DistinctPairsAfter = DistinctNgrams.Of(after, 2),
            LengthBefore = before.Average(r => r.Length),
            LengthAfter = after.Average(r => r.Length),
        };
    }
}
