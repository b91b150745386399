using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>Makes a <see cref="RolloutObjective"/>: samples what the model says without and with the dials, and has it judged.</summary>
public static class RolloutSampler
{
    /// <summary>Samples and judges. No token is kept from being drawn: the distribution sampled is the one that is weighed.</summary>
    /// <param name="seam">Model and SAE.</param>
    /// <param name="tuned">The dials.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="prompts">One or more, gone through in turn by each half; best ones that were not learnt from.</param>
    /// <param name="rewards">The judges, with their weights; not owned.</param>
    /// <param name="options">How; null is the default.</param>
    /// <param name="progress">Told how many there are after every batch.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <exception cref="ArgumentException">There is no prompt, one does not fit into the model with its continuation, or the options have faults.</exception>
    public static RolloutObjective Sample(
        DialSeam seam, DialChange tuned, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, WeightedRewards rewards,
        RolloutObjectiveOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        options = (options ?? new()).Validated();
        if (prompts.Count == 0) throw new ArgumentException("there is no prompt to go on from; give one or more.", nameof(prompts));
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        int half = options.Continuations / 2;
        var (rows, groups, texts) = (new List<SftExample>(), new List<int>(), new List<RewardText>());
        foreach (var dials in (DialChange[])[DialChange.None(seam.DSae), tuned])
            for (int from = 0; from < half; from += options.BatchSize)
            {
                using var scope = NewDisposeScope();
                int[] which = [.. Enumerable.Range(from, Math.Min(options.BatchSize, half - from)).Select(i => i % prompts.Count)];
                RolloutPrompt[] asked = [.. which.Select(i => prompts[i])];
                var rollout = Rollout.Draw(seam.Model, seam.WhileGenerating(dials, asked.Max(p => p.Tokens.Length)), asked, new SamplingOptions
                {
                    MaxNewTokens = options.MaxNewTokens,
                    Temperature = options.Temperature,
                    Seed = Permutation.Seed(options.Seed, RandomUse.Measuring, rows.Count),
                }, tokenizer.EndOfTextId, cancellation);
                groups.AddRange(which);
                rows.AddRange(rollout.Prompts.Zip(rollout.Responses, (p, r) => new SftExample([.. p.Tokens, .. r], p.Tokens.Length)));
                texts.AddRange(rollout.Prompts.Zip(rollout.Responses, (p, r) => new RewardText(tokenizer, p, r)));
                progress?.Report(rows.Count);
            }
        var judged = rewards.Parts(texts, cancellation).Select(p => new RolloutReward(p.Name, p.Weight, [.. p.Scores.Select(s => s.Value)]));
        return new RolloutObjective(seam, tuned, rows, half, [.. judged], groups, options.KlCoefficient, options.Temperature, options.BatchSize, cancellation);
    }
}
