namespace Parsimony.Exploration.Labels;

/// <summary>
/// A latent's examples in two parts that have no context in common: of one a label is made, on the other it is scored. Those in which its effect was measured make it; of the other strongest contexts, and of the
/// samples of its intervals, one is held out and the next makes it, in turn.
/// </summary>
/// <param name="Strongest">Strongest contexts that make the label, strongest first.</param>
/// <param name="Making">All windows that make it, those too.</param>
/// <param name="HeldOut">Windows to score it on, of a context each, none with the very tokens of one that made it.</param>
/// <param name="Contexts">The contexts that <paramref name="Making"/> is of.</param>
/// <param name="IsEffectOurs">Whether the measured effect comes from <paramref name="Making"/> alone, and so may be told.</param>
internal sealed record LabelExamples(
    IReadOnlyList<FeatureContext> Strongest, IReadOnlyList<FeatureContext> Making, IReadOnlyList<FeatureContext> HeldOut, IReadOnlySet<int> Contexts, bool IsEffectOurs)
{
    /// <summary>Parts a card's examples.</summary>
    /// <param name="card">The card.</param>
    /// <param name="measuredContexts">In how many of its strongest contexts its effect was measured, at most.</param>
    public static LabelExamples Of(FeatureCard card, int measuredContexts)
    {
        var makes = new Dictionary<int, bool>(); // by context
        int strong = card.TopContexts.Length, lead = Math.Min(measuredContexts, (strong + 1) / 2);
        var samples = card.Intervals.Reverse().SelectMany(interval => interval.Samples);
        bool next = false;
        foreach (var (example, rank) in card.TopContexts.Concat(samples).Select((example, rank) => (example, rank)))
        {
            if (makes.ContainsKey(example.Context)) continue;
            makes[example.Context] = rank < lead || next;
            if (rank >= lead) next = !next;
        }
        FeatureContext[] all = [.. card.TopContexts.Concat(samples).DistinctBy(e => (e.Context, e.Position))];
        FeatureContext[] making = [.. all.Where(e => makes[e.Context])];
        var heldOut = all.Where(e => !makes[e.Context]).DistinctBy(e => e.Context).Where(e => !making.Any(m => m.Tokens.Select(t => t.Id).SequenceEqual(e.Tokens.Select(t => t.Id))));
        return new([.. card.TopContexts.Where(e => makes[e.Context])], making, [.. heldOut], making.Select(e => e.Context).ToHashSet(), Math.Min(measuredContexts, strong) <= lead);
    }
}
