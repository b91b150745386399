using System.Buffers;
using System.Text;

namespace Parsimony.Tokens;

/// <summary>
/// The text of some tokens, and which of them each of its characters comes from. A character whose bytes are spread over several tokens comes
/// from all of them; a token may hold several characters, or none whole.
/// </summary>
public sealed class TokenSpans
{
    private readonly int[] byteOf;          // [chars + 1]: where each character of the text begins in the tokens' bytes
    private readonly int[] tokenOf;         // [bytes]: the token that each byte belongs to

    /// <summary>The text of <paramref name="ids"/>, as <see cref="Tokenizer.Decode"/> gives it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is negative.</exception>
    public TokenSpans(Tokenizer tokenizer, ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>(ids.Length * 4);
        var tokens = new List<int>(ids.Length * 4);
        for (int t = 0; t < ids.Length; t++)
            foreach (byte b in tokenizer.Bytes(ids[t]))
            {
                bytes.Add(b);
                tokens.Add(t);
            }
        var text = new StringBuilder(bytes.Count);
        var starts = new List<int>(bytes.Count + 1);
        Span<char> chars = stackalloc char[2];
        int at = 0;
        for (ReadOnlySpan<byte> rest = bytes.ToArray(); !rest.IsEmpty;)
        {
            // What is no character decodes as U+FFFD, one for each part, as Encoding.UTF8 has it.
            _ = Rune.DecodeFromUtf8(rest, out var rune, out int length);
            int count = rune.EncodeToUtf16(chars);
            text.Append(chars[..count]);
            for (int i = 0; i < count; i++) starts.Add(at);
            rest = rest[length..];
            at += length;
        }
        starts.Add(at);
        (Text, byteOf, tokenOf) = (text.ToString(), [.. starts], [.. tokens]);
    }

    /// <summary>The text.</summary>
    public string Text { get; }

    /// <summary>The tokens that a part of the text comes from: the first one's index, and how many.</summary>
    /// <param name="start">The part's first character.</param>
    /// <param name="length">Its length in characters, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is empty or not within the text.</exception>
    public (int First, int Count) Of(int start, int length)
    {
        if (start < 0 || length < 1 || length > Text.Length - start) throw new ArgumentOutOfRangeException(
            nameof(start), $"{length} character(s) from {start} on are no part of a text of {Text.Length}.");
        int end = start + length;
        while (byteOf[end] == byteOf[end - 1]) end++;           // half of a surrogate pair: the whole of it
        int first = tokenOf[byteOf[start]];
        return (first, tokenOf[byteOf[end] - 1] - first + 1);
    }
}
