namespace Parsimony.Reporting;

/// <summary>What learning the dials from rewards did, measured on continuations of prompts it did not learn from. Hits are words of a list per 1000
/// tokens, with the interval in which 95 % of such samples lie; null where there is no list.</summary>
public sealed record RlhfSummary
{
    /// <summary>ppo, rloo or grpo; best_of_n, banned_words or clamp where nothing was learned.</summary>
    public required string Algorithm { get; init; }

    /// <summary>What was learned: dials, or a baseline such as lora; null where nothing was.</summary>
    public string? Method { get; init; }

    /// <summary>What was to be learned, in one sentence.</summary>
    public string? Task { get; init; }

    /// <summary>Steps of learning.</summary>
    public required long Steps { get; init; }

    /// <summary>Numbers that were learned: two for every latent that may move.</summary>
    public required long TrainableParameters { get; init; }

    /// <summary>Continuations behind every number but the perplexities.</summary>
    public required int Continuations { get; init; }

    /// <summary>Hits of the words that the reward knows, before.</summary>
    public double? HitsRewardedBefore { get; init; }

    /// <summary>The same after.</summary>
    public double? HitsRewardedAfter { get; init; }

    /// <summary>Hits of the words held out of the reward, before.</summary>
    public double? HitsHeldoutBefore { get; init; }

    /// <summary>The same after.</summary>
    public double? HitsHeldoutAfter { get; init; }

    /// <summary>Hits of the rewarded words after the same training on rewards without a meaning; null when not run.</summary>
    public double? NullHitsRewardedAfter { get; init; }

    /// <summary>Hits of the held-out words after it.</summary>
    public double? NullHitsHeldoutAfter { get; init; }

    /// <summary>Ends of the interval of each of these, by its name.</summary>
    public required IReadOnlyDictionary<string, double[]> Intervals { get; init; }

    /// <summary>Exact KL from the tuned model to the one at rest, nats per continuation; an upper bound of best_of_n.</summary>
    public double? Kl { get; init; }

    /// <summary>exp(loss) on a text that was not learned from, before; null without one.</summary>
    public double? PerplexityBefore { get; init; }

    /// <summary>The same after.</summary>
    public double? PerplexityAfter { get; init; }

    /// <summary>Different pairs of tokens / pairs of tokens, before.</summary>
    public required double DistinctPairsBefore { get; init; }

    /// <summary>The same after.</summary>
    public required double DistinctPairsAfter { get; init; }

    /// <summary>Mean tokens of a continuation, before.</summary>
    public required double LengthBefore { get; init; }

    /// <summary>The same after.</summary>
    public required double LengthAfter { get; init; }

    /// <summary>Latents whose dials are not exactly at rest; null where no dials were learned.</summary>
    public long? LatentsChanged { get; init; }
}
