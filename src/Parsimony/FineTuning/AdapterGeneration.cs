using Parsimony.Models;

namespace Parsimony.FineTuning;

/// <summary>An adapter while a model writes: what is prompt and what response is told by how far the writing is.</summary>
public static class AdapterGeneration
{
    /// <summary>The adapter for one call of <see cref="Generation.Generate"/>.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="longestPrompt">Tokens of the longest prompt, to which the others are padded on the left.</param>
    public static Tap? WhileGenerating(this IAdapter adapter, int longestPrompt) =>
        Acting(adapter.Tap(), adapter.Positions is TokenPositions.All ? null : adapter.Rest(), adapter.Positions, adapter.Hooks[0], longestPrompt);

    /// <summary>A tap that acts at some positions, and another at the others.</summary>
    /// <param name="acting">The one.</param>
    /// <param name="resting">The other; null: the plain model.</param>
    /// <param name="positions">Where the first acts.</param>
    /// <param name="first">The first hook point at which either does anything.</param>
    /// <param name="longestPrompt">Tokens of the longest prompt, to which the others are padded on the left.</param>
    internal static Tap? Acting(Tap? acting, Tap? resting, TokenPositions positions, HookPoint first, int longestPrompt)
    {
        if (positions is TokenPositions.All) return acting;
        var (inPrompt, inResponse) = positions is TokenPositions.Prompt ? (acting, resting) : (resting, acting);
        int passes = 0;
        return (at, x) =>
        {
            if (at == first && passes++ > 0 && x.size(1) > longestPrompt) throw new InvalidOperationException(
                $"the adapter acts at the {positions.ToString().ToLowerInvariant()} only; without a cache of keys and values each pass has both. Generate with the cache.");
            return (passes <= 1 ? inPrompt : inResponse) is { } tap ? tap(at, x) : x;
        };
    }
}
