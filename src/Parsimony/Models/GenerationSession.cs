using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// Continuing prompts as something that can wait between two tokens: each <see cref="Step"/> is one pass of the model, and others may use the model before the next.
/// <see cref="Generation.Generate"/> is all steps in a row. Not thread-safe; every step must be on the same thread as others that use the model.
/// </summary>
public sealed class GenerationSession : IDisposable
{
    private readonly Transformer model;
    private readonly IReadOnlyList<int[]> prompts;
    private readonly Tap? tap;
    private readonly Sampler sampler;
    private readonly KvCache? cache;
    private readonly Tensor tokens;
    private readonly Tensor? mask;
    private readonly int? stop;
    private readonly int total;
    private readonly List<int>[] said;
    private readonly bool[] running;
    private int length;

    /// <summary>Sets out; no pass is run yet.</summary>
    /// <param name="model">The model; not owned.</param>
    /// <param name="prompts">Token ids of each prompt, at least one id each. Of different lengths they are padded on the left.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="tap">Put into the model's seam, as in <see cref="Transformer.Forward"/>; null for none. What it holds must live as long as this.</param>
    /// <param name="endOfTextId">Ends a sequence when <see cref="SamplingOptions.StopAtEndOfText"/> is set; null when the tokenizer has none.</param>
    /// <exception cref="ArgumentException">A prompt is empty, or prompt and new tokens together exceed what the model was made for.</exception>
    public GenerationSession(Transformer model, IReadOnlyList<int[]> prompts, SamplingOptions options, Tap? tap = null, int? endOfTextId = null)
    {
        options.Validated();
        if (prompts.Count == 0 || prompts.Any(p => p.Length == 0))
            throw new ArgumentException("a prompt is empty; give at least one token, such as the end-of-text token.");
        int rows = prompts.Count, longest = prompts.Max(p => p.Length);
        total = longest + options.MaxNewTokens;
        if (total > model.Config.MaxSequenceLength) throw new ArgumentException(
            $"the longest prompt has {longest} tokens and {options.MaxNewTokens} new ones are asked for; the model was made for "
            + $"{model.Config.MaxSequenceLength}. Shorten the prompt or lower max_new_tokens.");
        (this.model, this.prompts, this.tap, length) = (model, prompts, tap, longest);
        sampler = new Sampler(options);
        cache = options.UseCache ? new KvCache(model.Config, rows, total, model.Device) : null;
        (tokens, mask) = PadLeft(prompts, longest, total);
        stop = options.StopAtEndOfText ? endOfTextId : null;
        said = [.. prompts.Select(_ => new List<int>(options.MaxNewTokens))];
        running = [.. Enumerable.Repeat(true, rows)];
    }

    /// <summary>Whether every sequence has ended, or is as long as was asked for.</summary>
    public bool IsDone => length >= total || !running.Contains(true);

    /// <summary>The new tokens of each row so far, the end-of-text token included.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Said => said;

    /// <summary>One token more for every sequence that has not ended; nothing when <see cref="IsDone"/>.</summary>
    /// <param name="onToken">Told (row, token id) of every new token.</param>
    /// <param name="onDraw">Told the logits <c>[rows, d_vocab]</c> and what was drawn from them; the logits are the model's, or what <paramref name="onLogits"/> made of them.
    /// Rows that have ended are drawn for like the others.</param>
    /// <param name="onLogits">May change the logits before the draw; null: they stay.</param>
    public void Step(Action<int, int>? onToken = null, Action<Tensor, long[]>? onDraw = null, LogitsProcessor? onLogits = null)
    {
        if (IsDone) return;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        int seen = cache?.Length ?? 0;
        var logits = model.Forward(tokens.narrow(1, seen, length - seen), tap, mask?.narrow(1, 0, length), cache, lastOnly: true).select(1, 0);
        if (onLogits is not null) logits = onLogits(logits, prompts, said);
        long[] next = sampler.Draw(logits);
        onDraw?.Invoke(logits, next);
        tokens.select(1, length).copy_(tensor(next));
        length++;
        for (int row = 0; row < said.Length; row++)
        {
            if (!running[row]) continue;
            said[row].Add((int)next[row]);
            onToken?.Invoke(row, (int)next[row]);
            running[row] = next[row] != stop;
        }
    }

    private static (Tensor Tokens, Tensor? Mask) PadLeft(IReadOnlyList<int[]> prompts, int longest, int total)
    {
        var ids = new long[prompts.Count, total];
        var present = new bool[prompts.Count, total];
        for (int row = 0; row < prompts.Count; row++)
        {
            int padding = longest - prompts[row].Length;
            for (int i = 0; i < prompts[row].Length; i++) ids[row, padding + i] = prompts[row][i];
            for (int i = padding; i < total; i++) present[row, i] = true;
        }
        return (tensor(ids).DetachFromDisposeScope(), prompts.Any(p => p.Length < longest) ? tensor(present).DetachFromDisposeScope() : null);
    }

    /// <summary>Frees keys, values and tokens; the model stays.</summary>
    public void Dispose()
    {
        sampler.Dispose();
        cache?.Dispose();
        tokens.Dispose();
        mask?.Dispose();
    }
}
