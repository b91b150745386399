using System.Collections;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Parsimony.Evaluation;

/// <summary>
/// A text as the forward passes of an evaluation. Each of its tokens counts in exactly one of them. A window is made when it is asked for:
/// strided ones overlap and would take many times the text's memory.
/// </summary>
public sealed class EvaluationWindows : IReadOnlyList<EvaluationWindow>
{
    private readonly Func<int, int[]> make;
    private readonly int overlap;
    // The prefix cache tells sequences apart by reference and holds on to those it keeps; the others may go.
    private readonly WeakReference<int[]>?[] made;

    private EvaluationWindows(Protocol protocol, int count, int length, int stride, long tokens, Func<int, int[]> make)
    {
        (Protocol, Count, Length, Stride, Tokens, this.make) = (protocol, count, length, stride, tokens, make);
        overlap = length - stride;
        made = new WeakReference<int[]>?[count];
    }

    /// <summary>How the text was cut.</summary>
    public Protocol Protocol { get; }

    /// <summary>Windows.</summary>
    public int Count { get; }

    /// <summary>Tokens of the longest window.</summary>
    public int Length { get; }

    /// <summary>Tokens from the beginning of one window to that of the next; of the article's contexts their <see cref="Length"/>.</summary>
    public int Stride { get; }

    /// <summary>Tokens that count, each once.</summary>
    public long Tokens { get; }

    /// <summary>The article's protocol: contexts that do not overlap, as they are.</summary>
    /// <param name="contexts">Of 2 tokens or more each; their lengths may differ.</param>
    /// <exception cref="ArgumentException">There is none, or one has fewer than 2 tokens.</exception>
    public static EvaluationWindows Article(IReadOnlyList<int[]> contexts)
    {
        if (contexts.Count == 0) throw new ArgumentException(
            "there is no context to evaluate on; the text is shorter than one context. Give more text or a smaller sequence length.",
            nameof(contexts));
        var (shortest, longest, tokens) = (int.MaxValue, 0, 0L);
        foreach (int[] context in contexts) // a stored text makes each anew
            (shortest, longest, tokens) = (Math.Min(shortest, context.Length), Math.Max(longest, context.Length), tokens + context.Length);
        if (shortest < 2) throw new ArgumentException(
            $"a context has {shortest} tokens; expected 2 or more in each: one to predict, and one to predict it from.", nameof(contexts));
        return new(Protocol.Article, contexts.Count, longest, longest, tokens, i => contexts[i]);
    }

    /// <summary>
    /// The strided protocol, as transformers' page on the perplexity of fixed-length models has it: the first window counts whole, each later one
    /// begins <paramref name="stride"/> tokens on and counts what no earlier one has reached; the last, which may be shorter, ends with the text.
    /// </summary>
    /// <param name="text">The ids of the whole text, one stream, 2 or more; kept, not copied.</param>
    /// <param name="length">Tokens of a window, 2 or more, no more than the model takes.</param>
    /// <param name="stride">Tokens by which windows move on, 1 to <paramref name="length"/>. At <paramref name="length"/> nothing overlaps, and as in the
    /// article's protocol the first token of each window has nothing to be predicted from.</param>
    /// <param name="limit">Windows at most; null: to the end of the text.</param>
    /// <exception cref="ArgumentException">The text is shorter than 2 tokens, or a number is not allowed.</exception>
    public static EvaluationWindows Strided(int[] text, int length, int stride, int? limit = null)
    {
        if (text.Length < 2) throw new ArgumentException(
            $"the text has {text.Length} tokens; expected 2 or more: one to predict, and one to predict it from.", nameof(text));
        if (length < 2) throw new ArgumentException($"length is {length}; it must be 2 or more.", nameof(length));
        if (stride < 1 || stride > length) throw new ArgumentException($"stride is {stride}; it must be 1 to {length}, the tokens of a window.", nameof(stride));
        if (limit is { } most) ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(limit));
        int count = 1 + (int)((Math.Max(0L, text.Length - length) + stride - 1) / stride);
        // At stride = length a last window of one token would predict nothing.
        if (stride == length && count > 1 && text.Length - (long)(count - 1) * stride < 2) count--;
        count = Math.Min(count, limit ?? count);
        int End(int i) => (int)Math.Min(text.Length, (long)i * stride + length);
        return new(Protocol.Strided, count, Math.Min(length, text.Length), stride, End(count - 1), i => text[(i * stride)..End(i)]);
    }

    /// <inheritdoc/>
    public EvaluationWindow this[int index]
    {
        get
        {
            if (made[index]?.TryGetTarget(out var ids) != true) made[index] = new WeakReference<int[]>(ids = make(index));
            return new EvaluationWindow(ids!, index == 0 ? 0 : overlap);
        }
    }

    /// <summary>SHA-256 of everything that is run and counted, hexadecimal: equal for the same windows alone.</summary>
    public string Sha256()
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var window in this)
        {
            all.AppendData(MemoryMarshal.AsBytes<int>([window.Ids.Length, window.Seen]));
            all.AppendData(MemoryMarshal.AsBytes<int>(window.Ids));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    /// <inheritdoc/>
    public IEnumerator<EvaluationWindow> GetEnumerator()
    {
        for (int i = 0; i < Count; i++) yield return this[i];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
