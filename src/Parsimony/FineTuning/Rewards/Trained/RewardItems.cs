namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>Pairs or labelled texts by where their texts stand in <see cref="RewardReadings"/>.</summary>
/// <param name="TextsOfOne">2 for pairs, the better text first; else 1.</param>
/// <param name="TextOf">The places of the texts, item by item.</param>
/// <param name="Labels">The class of each item; null: pairs.</param>
internal sealed record RewardItems(int TextsOfOne, int[] TextOf, int[]? Labels)
{
    public int Count => TextOf.Length / TextsOfOne;

    /// <summary>Those of some data whose first text stands at a place.</summary>
    public static RewardItems Of(RewardData data, int firstText) =>
        new(data.TextsOfOne, [.. Enumerable.Range(firstText, data.Texts.Count)], data.Labels is { } labels ? [.. labels] : null);

    /// <summary>Some of them.</summary>
    public RewardItems Some(IEnumerable<int> items)
    {
        int[] chosen = [.. items];
        return new(TextsOfOne, [.. chosen.SelectMany(i => TextOf[(i * TextsOfOne)..((i + 1) * TextsOfOne)])], Labels is null ? null : [.. chosen.Select(i => Labels[i])]);
    }

    /// <summary>The same texts with verdicts that mean nothing: of half of the pairs the worse text is said to be the better one, or labels are dealt out anew.</summary>
    public RewardItems WithRandomVerdicts(long seed)
    {
        int[] order = Permutation.Draw(Count, seed, RandomUse.Labels, 0);
        return Labels is not null ? this with { Labels = [.. order.Select(i => Labels[i])] }
            : this with { TextOf = [.. TextOf.Select((_, t) => TextOf[order[t / 2] < Count / 2 ? t ^ 1 : t])] };
    }
}
