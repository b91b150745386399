using System.Text.Json.Serialization;

namespace Parsimony.FineTuning.Policy;

/// <summary>What a step of learning from rewards saw and did: one line of its metrics.jsonl, under these names in snake case. All means are over
/// responses or their tokens, never over padding. What an algorithm has not is null and absent.</summary>
public sealed record PolicyProgress
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Steps of the whole run.</summary>
    public required long Steps { get; init; }

    /// <summary>Responses sampled so far.</summary>
    public required long Responses { get; init; }

    /// <summary>Tokens sampled so far.</summary>
    public required long TokensSampled { get; init; }

    /// <summary>Mean reward of a response, all parts with their weights, the KL not counted; the true one, in a null run too.</summary>
    public required double Reward { get; init; }

    /// <summary>Mean of each part before its weight.</summary>
    public required IReadOnlyDictionary<string, double> RewardParts { get; init; }

    /// <summary>Mean over responses of the sum over tokens of ln p - ln p_ref (k1), nats per response; an estimate, it may be below 0.</summary>
    public required double Kl { get; init; }

    /// <summary>The same KL exactly, from both whole distributions at each token, nats per response.</summary>
    public required double FullKl { get; init; }

    /// <summary>beta in this step.</summary>
    public required double KlCoefficient { get; init; }

    /// <summary>Mean entropy of the policy, nats per token.</summary>
    public required double Entropy { get; init; }

    /// <summary>Loss of the policy, mean over the updates.</summary>
    public required double PolicyLoss { get; init; }

    /// <summary>Share of tokens (rloo: responses) at which the bound counts.</summary>
    public required double ClipFraction { get; init; }

    /// <summary>Mean of (ln p - ln p_old)² / 2 over the updates, nats per token.</summary>
    public required double ApproximateKl { get; init; }

    /// <summary>Mean p / p_old over the updates.</summary>
    public required double Ratio { get; init; }

    /// <summary>Largest |p / p_old - 1| of the first update; 0 when sampling and learning agree.</summary>
    public required double FirstRatioError { get; init; }

    /// <summary>Mean |ln p of the pass that sampled - ln p of the pass that learns| over tokens, nats: rounding, unless top_k or top_p is set.</summary>
    public required double SamplingError { get; init; }

    /// <summary>Groups whose rewards are all the same / groups; they teach nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? EqualGroups { get; init; }

    /// <summary>The critic's loss.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ValueLoss { get; init; }

    /// <summary>1 - variance of (return - value) / variance of the return, before the updates.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ExplainedVariance { get; init; }

    /// <summary>Mean tokens of a response, its end of text included.</summary>
    public required double ResponseLength { get; init; }

    /// <summary>Responses that the model ended itself / responses.</summary>
    public required double EndedFraction { get; init; }

    /// <summary>Mean length of the gradient before it is shortened.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Root mean square of c - 1, or of another adapter's scales less 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? GammaRms { get; init; }

    /// <summary>Root mean square of d in its unit, or of another adapter's shifts.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ShiftRms { get; init; }

    /// <summary>Root mean square of everything that is learnt.</summary>
    public required double ParameterRms { get; init; }

    /// <summary>Latents whose dials are not exactly at rest.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? LatentsChanged { get; init; }

    /// <summary>Sampled tokens per second of this step, everything counted.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Seconds of sampling.</summary>
    public required double SecondsGenerate { get; init; }

    /// <summary>Seconds of judging, and of policy and reference's log-probabilities.</summary>
    public required double SecondsScore { get; init; }

    /// <summary>Seconds of the epochs.</summary>
    public required double SecondsUpdate { get; init; }
}

/// <summary>A sampled response: one line of samples.jsonl.</summary>
/// <param name="Step">The step that sampled it.</param>
/// <param name="Prompt">What the model was given.</param>
/// <param name="Text">How it went on.</param>
/// <param name="Reward">The weighted sum.</param>
/// <param name="Parts">Each part before its weight.</param>
public sealed record PolicySample(long Step, string Prompt, string Text, double Reward, IReadOnlyDictionary<string, double> Parts);
