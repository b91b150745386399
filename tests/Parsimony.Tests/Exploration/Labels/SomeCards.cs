using Parsimony.Exploration;
using Parsimony.Exploration.Index;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>Cards made by hand.</summary>
internal static class SomeCards
{
    /// <summary>A card with these contexts and samples, and nothing else that labels look at.</summary>
    public static FeatureCard Card(FeatureContext[] top, FeatureContext[]? samples = null, int[]? raised = null, int[]? promoted = null) => new()
    {
        Latent = 0,
        Density = 0.1,
        MaxActivation = 4,
        MeanActivation = 0.1,
        Fired = 10,
        ContextsFired = 10,
        Histogram = null!,
        TopContexts = top,
        Intervals = [new(0, 8, 10, samples ?? [])],
        Promoted = [.. (promoted ?? []).Select(id => (id, 1f))],
        Suppressed = [],
        Effect = null,
        Raised = [.. (raised ?? []).Select(id => (id, 1f))],
        Lowered = [],
        Similar = [],
        Coactive = [],
    };

    /// <summary>A window in which the latent fires, by 2, on its third token.</summary>
    public static FeatureContext Window(int context, params int[] tokens) => new([.. tokens.Select((id, t) => new TokenActivation(id, t == 2 ? 2 : 0))], 2, context, 2);
}
