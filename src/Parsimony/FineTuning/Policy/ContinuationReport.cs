using Parsimony.Evaluation;
using Parsimony.FineTuning.Rewards;
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

    /// <summary>Mean over continuations of the exact KL to the reference, nats; 0 of the reference itself, an upper bound of best-of-n, null where it is not known.</summary>
    public required double? Kl { get; init; }

    /// <summary>Different pairs of tokens / pairs of tokens.</summary>
    public required double DistinctPairs { get; init; }

    /// <summary>Mean tokens of a continuation, its end of text included.</summary>
    public required double Length { get; init; }

    /// <summary>Samples and counts. The same seed draws the same numbers whoever writes.</summary>
    /// <param name="writer">Goes on with prompts.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="prompts">One or more, gone through in turn.</param>
    /// <param name="options">How was learnt; of these the batch size and the seed count.</param>
    /// <param name="continuations">1 or more.</param>
    /// <param name="rewarded">A word list; null: none.</param>
    /// <param name="heldOut">Another; null: none.</param>
    /// <param name="progress">Told how many there are after every batch.</param>
    public static ContinuationReport Measure(
        ContinuationWriter writer, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, PolicyOptions options, int continuations, Lexicon? rewarded = null, Lexicon? heldOut = null,
        IProgress<int>? progress = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(continuations, 1);
        using var noGradient = no_grad();
        List<int> tokens = [], ours = [], unseen = [];
        List<int[]> ids = [];
        double? kl = 0;
        for (int from = 0; from < continuations; from += options.BatchSize)
        {
            using var scope = NewDisposeScope();
            RolloutPrompt[] these = [.. Enumerable.Range(from, Math.Min(options.BatchSize, continuations - from)).Select(i => prompts[i % prompts.Count])];
            var written = writer(these, Permutation.Seed(options.Seed, RandomUse.Measuring, from));
            kl += written.Kl;
            foreach (var (prompt, response) in these.Zip(written.Responses))
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
