using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.FineTuning.Baselines;

/// <summary>The continuation of a prompt that a reward liked most.</summary>
/// <param name="Text">Prompt and continuation.</param>
/// <param name="Reward">What the reward gave.</param>
/// <param name="Draw">Which of the n it was, from 0; of equal ones the first.</param>
public sealed record BestContinuation(RewardText Text, double Reward, int Draw);

/// <summary>Best-of-n: nothing is learnt; n continuations of each prompt are sampled and the one with the highest reward is kept. What learning must be measured against, at n times the cost of a sample.</summary>
public static class BestOfN
{
    /// <summary>
    /// The most that best-of-n can be away from the model, <c>ln n - (n - 1) / n</c> nats a continuation (Beirami et al. 2024, arXiv 2401.01879: an upper bound of the KL divergence, which it is where no two
    /// continuations are likely to be the same).
    /// </summary>
    /// <param name="n">1 or more.</param>
    public static double KlBound(int n)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        return Math.Log(n) - (n - 1.0) / n;
    }

    /// <summary>Samples and chooses. Draw k has the same tokens whatever n is, so the reward of no prompt falls when n grows.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="prompts">One or more; each draw continues all of them at once.</param>
    /// <param name="reward">Judges each draw.</param>
    /// <param name="n">Draws for each prompt, 1 or more.</param>
    /// <param name="sampling">How; the temperature is above 0. The seed decides every token of every draw.</param>
    /// <param name="tap">What is in the model's seam; null: nothing.</param>
    /// <param name="onLogits">May change the logits before each token is drawn, such as <see cref="BannedWords.Processor"/>; null: they stay.</param>
    /// <param name="progress">Told how many draws there are after each.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <returns>One for each prompt, in their order.</returns>
    /// <exception cref="ArgumentException">The temperature is 0, where all draws would be the same; or a prompt is empty or does not fit.</exception>
    public static IReadOnlyList<BestContinuation> Sample(
        Transformer model, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, IReward reward, int n, SamplingOptions sampling, Tap? tap = null,
        LogitsProcessor? onLogits = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(n, 1);
        if (sampling.Temperature == 0) throw new ArgumentException("the temperature is 0, and all draws would be the same; it must be above 0.", nameof(sampling));
        var best = new BestContinuation?[prompts.Count];
        for (int draw = 0; draw < n; draw++)
        {
            var drawn = sampling with { Seed = Permutation.Seed(sampling.Seed, RandomUse.BestOfN, draw) };
            int[][] continuations = Generation.Generate(model, [.. prompts.Select(p => p.Tokens)], drawn, tap, tokenizer.EndOfTextId, onLogits: onLogits, cancellation: cancellation);
            RewardText[] texts = [.. prompts.Zip(continuations, (prompt, tokens) => new RewardText(tokenizer, prompt, tokens))];
            var scores = reward.Score(texts, cancellation);
            for (int i = 0; i < best.Length; i++)
                if (best[i] is not { } kept || scores[i].Value > kept.Reward) best[i] = new(texts[i], scores[i].Value, draw);
            progress?.Report(draw + 1);
        }
        return best!;
    }
}
