using Parsimony.Models;

namespace Parsimony.FineTuning;

/// <summary>An adapter while a model writes: what is prompt and what response is told by how far the writing is.</summary>
public static class AdapterGeneration
{
    /// <summary>The adapter for one call of <see cref="Generation.Generate"/>.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="longestPrompt">Tokens of the longest prompt, to which the others are padded on the left.</param>
    public static Tap? WhileGenerating(this IAdapter adapter, int longestPrompt)
    {
        if (adapter.Positions is TokenPositions.All) return adapter.Tap();
        var (acting, resting) = (adapter.Tap(), adapter.Rest());
        var (inPrompt, inResponse) = adapter.Positions is TokenPositions.Prompt ? (acting, resting) : (resting, acting);
        var first = adapter.Hooks[0];
        int passes = 0;
        return (at, x) =>
        {
            if (at == first && passes++ > 0 && x.size(1) > longestPrompt) throw new InvalidOperationException(
                $"the adapter acts at the {adapter.Positions.ToString().ToLowerInvariant()} only; without a cache of keys and values each pass has both. Generate with the cache.");
            return (passes <= 1 ? inPrompt : inResponse) is { } tap ? tap(at, x) : x;
        };
    }
}
