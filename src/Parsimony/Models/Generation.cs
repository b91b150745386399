using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Continues prompts, one token at a time, several sequences at once.</summary>
public static class Generation
{
    /// <summary>Generates a continuation of every prompt. Prompts of different lengths are padded on the left.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompts">Token ids of each prompt, at least one id each.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="tap">Put into the model's seam, as in <see cref="Transformer.Forward"/>; null for none.</param>
    /// <param name="endOfTextId">Ends a sequence when <see cref="SamplingOptions.StopAtEndOfText"/> is set; null when the tokenizer has none.</param>
    /// <param name="onToken">Told (row, token id) of every new token as it comes.</param>
    /// <param name="onDraw">Told the logits <c>[rows, d_vocab]</c> and what was drawn from them, once for each new token; the logits are the model's,
    /// or what <paramref name="onLogits"/> made of them. Rows that have ended are drawn for like the others.</param>
    /// <param name="onLogits">May change the logits before each draw; null: they stay.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    /// <returns>The new tokens of each row, the end-of-text token included.</returns>
    /// <exception cref="ArgumentException">A prompt is empty, or prompt and new tokens together exceed what the model was made for.</exception>
    public static int[][] Generate(
        Transformer model, IReadOnlyList<int[]> prompts, SamplingOptions options, Tap? tap = null, int? endOfTextId = null,
        Action<int, int>? onToken = null, Action<Tensor, long[]>? onDraw = null, LogitsProcessor? onLogits = null, CancellationToken cancellation = default)
    {
        options.Validated();
        if (prompts.Count == 0 || prompts.Any(p => p.Length == 0))
            throw new ArgumentException("a prompt is empty; give at least one token, such as the end-of-text token.");
        int rows = prompts.Count, longest = prompts.Max(p => p.Length), total = longest + options.MaxNewTokens;
        if (total > model.Config.MaxSequenceLength) throw new ArgumentException(
            $"the longest prompt has {longest} tokens and {options.MaxNewTokens} new ones are asked for; the model was made for "
            + $"{model.Config.MaxSequenceLength}. Shorten the prompt or lower max_new_tokens.");

        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        using var sampler = new Sampler(options);
        using var cache = options.UseCache ? new KvCache(model.Config, rows, total, model.Device) : null;
        var (tokens, mask) = PadLeft(prompts, longest, total);
        bool padded = prompts.Any(p => p.Length < longest);
        int? stop = options.StopAtEndOfText ? endOfTextId : null;

        var result = prompts.Select(_ => new List<int>(options.MaxNewTokens)).ToArray();
        var running = Enumerable.Repeat(true, rows).ToArray();
        for (int length = longest; length < total && running.Contains(true); length++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var step = NewDisposeScope();
            int seen = cache?.Length ?? 0;
            var logits = model.Forward(tokens.narrow(1, seen, length - seen), tap, padded ? mask.narrow(1, 0, length) : null, cache, lastOnly: true).select(1, 0);
            if (onLogits is not null) logits = onLogits(logits, prompts, result);
            long[] next = sampler.Draw(logits);
            onDraw?.Invoke(logits, next);
            tokens.select(1, length).copy_(tensor(next));
            for (int row = 0; row < rows; row++)
            {
                if (!running[row]) continue;
                result[row].Add((int)next[row]);
                onToken?.Invoke(row, (int)next[row]);
                running[row] = next[row] != stop;
            }
        }
        return [.. result.Select(r => r.ToArray())];
    }

    private static (Tensor Tokens, Tensor Mask) PadLeft(IReadOnlyList<int[]> prompts, int longest, int total)
    {
        var ids = new long[prompts.Count, total];
        var present = new bool[prompts.Count, total];
        for (int row = 0; row < prompts.Count; row++)
        {
            int padding = longest - prompts[row].Length;
            for (int i = 0; i < prompts[row].Length; i++) ids[row, padding + i] = prompts[row][i];
            for (int i = padding; i < total; i++) present[row, i] = true;
        }
        return (tensor(ids), tensor(present));
    }
}
