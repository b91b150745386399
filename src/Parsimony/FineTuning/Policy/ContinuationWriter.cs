using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>How prompts were gone on with.</summary>
/// <param name="Responses">The ids of each, one or more.</param>
/// <param name="Kl">The KL to the reference summed over them, nats; null where it is not known.</param>
public sealed record Continuations(IReadOnlyList<int[]> Responses, double? Kl);

/// <summary>Goes on with prompts.</summary>
/// <param name="prompts">One or more.</param>
/// <param name="seed">Decides every token.</param>
public delegate Continuations ContinuationWriter(IReadOnlyList<RolloutPrompt> prompts, long seed);

/// <summary>Who may go on with prompts: a model with an adapter, or one that is merely decoded otherwise.</summary>
public static class ContinuationWriters
{
    /// <summary>A model with what was learnt, its KL exactly.</summary>
    /// <param name="model">The model.</param>
    /// <param name="adapter">What was learnt.</param>
    /// <param name="atRest">Whether it is at rest.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="options">How was learnt; of these the sampling counts.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static ContinuationWriter Adapter(Transformer model, IAdapter adapter, bool atRest, Tokenizer tokenizer, PolicyOptions options, CancellationToken cancellation = default) => (prompts, seed) =>
    {
        using var rollout = Rollout.Draw(model, adapter, atRest, prompts, options.Validated(), seed, tokenizer.EndOfTextId, cancellation);
        if (atRest) return new(rollout.Responses, 0);
        using var frozen = new FrozenRollout(model, adapter, rollout, options.Temperature);
        var scores = frozen.Score([[.. Enumerable.Range(0, prompts.Count).Select(i => (long)i)]], keepHidden: false);
        return new(rollout.Responses, scores.FullKl.sum().item<float>());
    };

    /// <summary>The best of n by a reward, its KL bounded by <see cref="BestOfN.KlBound"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="reward">Judges each.</param>
    /// <param name="n">1 or more.</param>
    /// <param name="options">The sampling.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static ContinuationWriter BestOf(Transformer model, Tokenizer tokenizer, IReward reward, int n, PolicyOptions options, CancellationToken cancellation = default) => (prompts, seed) =>
        new([.. BestOfN.Sample(model, tokenizer, prompts, reward, n, options.Sampling(seed), cancellation: cancellation).Select(best => best.Text.Tokens)], prompts.Count * BestOfN.KlBound(n));

    /// <summary>A model that may not say some words. What is left of each distribution is the model's own, made to sum to 1, so the KL of a token is the logarithm of the share that is left.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="words">The words.</param>
    /// <param name="options">The sampling.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static ContinuationWriter Without(Transformer model, Tokenizer tokenizer, BannedWords words, PolicyOptions options, CancellationToken cancellation = default) => (prompts, seed) =>
    {
        var lost = new List<float[]>();                                                          // by token, of each row
        Tensor Process(Tensor logits, IReadOnlyList<int[]> asked, IReadOnlyList<IReadOnlyList<int>> written)
        {
            using var scope = NewDisposeScope();
            var left = words.Processor(logits, asked, written);
            Tensor Sum(Tensor x) => (x / options.Temperature).logsumexp(-1);
            lost.Add((Sum(logits) - Sum(left)).cpu().data<float>().ToArray());
            return ReferenceEquals(left, logits) ? logits : left.MoveToOuterDisposeScope();
        }
        int[][] responses = Generation.Generate(model, [.. prompts.Select(p => p.Tokens)], options.Sampling(seed), null, tokenizer.EndOfTextId, onLogits: Process, cancellation: cancellation);
        return new(responses, responses.Select((r, row) => Enumerable.Range(0, r.Length).Sum(t => (double)lost[t][row])).Sum());
    };
}
