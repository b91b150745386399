using Parsimony.FineTuning.Rewards;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What becomes of rewards in a null run, which learns from noise: the measure for what a true run learnt.</summary>
public enum NullRewards
{
    /// <summary>Nothing: this is a true run.</summary>
    None,

    /// <summary>Each response has its reward with a random sign.</summary>
    Flip,

    /// <summary>Responses have each other's rewards, in a random order.</summary>
    Shuffle,
}

/// <summary>A rollout, judged.</summary>
/// <param name="Texts">The responses as texts.</param>
/// <param name="Parts">What each reward said of them, before its weight and true even in a null run.</param>
/// <param name="Values">The weighted sum for each response, likewise.</param>
/// <param name="TokenScores">What is learnt from, <c>[batch, seq]</c>: rewards that say which tokens they are for lie there, the others on the last
/// token; 0 outside the mask.</param>
internal sealed record RolloutRewards(IReadOnlyList<RewardText> Texts, IReadOnlyList<RewardPart> Parts, IReadOnlyList<double> Values, Tensor TokenScores) : IDisposable
{
    /// <summary>What is learnt from, by response, <c>[batch]</c>.</summary>
    public Tensor Scores => TokenScores.sum([1L]);

    /// <summary>Judges a rollout.</summary>
    /// <param name="rollout">The rollout.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="rewards">The judges.</param>
    /// <param name="kind">What becomes of it in a null run.</param>
    /// <param name="order">A permutation of as many as there are rows; asked for in a null run only.</param>
    /// <param name="cancellation">Ends a slow judge.</param>
    public static RolloutRewards Of(
        Rollout rollout, Tokenizer tokenizer, WeightedRewards rewards, NullRewards kind, Func<int, int[]> order, CancellationToken cancellation)
    {
        RewardText[] texts = [.. rollout.Prompts.Zip(rollout.Responses, (p, r) => new RewardText(tokenizer, p, r))];
        var parts = rewards.Parts(texts, cancellation);
        var sums = WeightedRewards.Sum(texts, parts);
        int rows = texts.Length;
        var learnt = new float[rows, rollout.Mask.size(1)];
        int[] from = kind is NullRewards.None ? [] : order(rows);
        for (int row = 0; row < rows; row++)
        {
            var score = kind is NullRewards.Shuffle ? new RewardScore(sums[from[row]].Value) : sums[row];
            double sign = kind is NullRewards.Flip && from[row] < rows / 2 ? -1 : 1;
            if (score.TokenCredit is { } credit)
                for (int t = 0; t < credit.Length; t++) learnt[row, t] = (float)(sign * credit[t]);
            else learnt[row, rollout.Responses[row].Length - 1] = (float)(sign * score.Value);
        }
        return new RolloutRewards(texts, parts, [.. sums.Select(s => s.Value)], tensor(learnt, device: rollout.Mask.device));
    }

    /// <summary>Groups of responses to one prompt whose scores are all the same / groups.</summary>
    public double EqualGroups(int groupSize)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var groups = Scores.view(-1, groupSize);
        return groups.amax([1L]).eq(groups.amin([1L])).to(ScalarType.Float32).mean().item<float>();
    }

    /// <summary>The first few, as they are written down.</summary>
    public IReadOnlyList<PolicySample> Samples(long step, int count) => [.. Enumerable.Range(0, Math.Min(count, Texts.Count)).Select(i => i * Texts.Count / count).Select(row =>
        new PolicySample(step, Texts[row].Prompt, Texts[row].Text, Values[row], Parts.ToDictionary(p => p.Name, p => p.Scores[row].Value)))];

    public void Dispose() => TokenScores.Dispose();
}
