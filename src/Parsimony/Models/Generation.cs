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
        using var session = new GenerationSession(model, prompts, options, tap, endOfTextId);
        while (!session.IsDone)
        {
            cancellation.ThrowIfCancellationRequested();
            session.Step(onToken, onDraw, onLogits);
        }
        return [.. session.Said.Select(row => row.ToArray())];
    }
}
