using Parsimony.Evaluation;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What a model says when it goes on from prompts, counted; intervals are over continuations.</summary>
public sealed record ContinuationReport
{
    /// <summary>How many continuations were sampled.</summary>
    public required int Continuations { get; init; }

    /// <summary>Words of the first list per 1000 tokens; null without one.</summary>
    public required Estimate? Rewarded { get; init; }

    /// <summary>Words of the second list per 1000 tokens, that no reward has seen; null without one.</summary>
    public required Estimate? HeldOut { get; init; }

    /// <summary>Mean over continuations of the exact KL to the reference, nats; 0 of the reference itself.</summary>
    public required double Kl { get; init; }

    /// <summary>Different pairs of tokens / pairs of tokens.</summary>
    public required double DistinctPairs { get; init; }

    /// <summary>Mean tokens of a continuation, its end of text included.</summary>
    public required double Length { get; init; }

    /// <summary>Samples and counts. The same seed draws the same numbers whatever the adapter.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">What was learnt.</param>
    /// <param name="atRest">Whether the reference is measured instead.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="prompts">One or more, gone through in turn.</param>
    /// <param name="options">How was learnt; of these the sampling, the batch size and the seed count.</param>
    /// <param name="continuations">1 or more.</param>
    /// <param name="rewarded">A word list; null: none.</param>
    /// <param name="heldOut">Another; null: none.</param>
    /// <param name="progress">Told how many there are after every batch.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static ContinuationReport Measure(
        Transformer model, IAdapter adapter, bool atRest, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, PolicyOptions options, int continuations, Lexicon? rewarded = null, Lexicon? heldOut = null, IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(continuations, 1);
        using var noGradient = no_grad();
        using var rewards = new WeightedRewards((new DelegateReward("none", _ => 0.0), 1.0));
        var task = new PolicyTask(model, adapter, tokenizer, prompts, rewards, options.Validated());
        List<int> tokens = [], ours = [], unseen = [];
        List<int[]> ids = [];
        double kl = 0;
        for (int from = 0; from < continuations; from += options.BatchSize)
        {
            using var scope = NewDisposeScope();
            RolloutPrompt[] these = [.. Enumerable.Range(from, Math.Min(options.BatchSize, continuations - from)).Select(i => prompts[i % prompts.Count])];
            var rollout = task.Draw(these, Permutation.Seed(options.Seed, RandomUse.Measuring, from), atRest, cancellation);
            if (!atRest)
            {
                using var frozen = task.Freeze(rollout);
                var scores = frozen.Score([[.. Enumerable.Range(0, these.Length).Select(i => (long)i)]], keepHidden: false);
                kl += scores.FullKl.sum().item<float>();
            }
            foreach (var (prompt, response) in these.Zip(rollout.Responses))
            {
                var text = new RewardText(tokenizer, prompt, response);
                ids.Add(response);
                tokens.Add(text.TextTokens);
                if (rewarded is not null) ours.Add(rewarded.Find(text.Text).Count);
                if (heldOut is not null) unseen.Add(heldOut.Find(text.Text).Count);
            }
            progress?.Report(ids.Count);
        }
        Estimate? Rate(Lexicon? lexicon, List<int> hits) => lexicon is null ? null : Bootstrap.PerThousand(hits, tokens, new BootstrapOptions { Seed = options.Seed, Resamples = 2000 });
        return new ContinuationReport
        {
            Continuations = ids.Count,
            Rewarded = Rate(rewarded, ours),
            HeldOut = Rate(heldOut, unseen),
            Kl = kl / ids.Count,
            DistinctPairs = DistinctNgrams.Of(ids, 2),
            Length = ids.Average(i => i.Length),
        };
    }
}
