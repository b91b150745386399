using System.Text;

namespace Parsimony.Reporting;

/// <summary>
/// Text in whole characters with an activation for each piece. Tokens of a byte-level vocabulary may end within a character;
/// neighbours that share one are joined into one piece, which has the larger activation.
/// </summary>
public sealed record ShadedText
{
    /// <summary>The pieces; together they are the text.</summary>
    public required IReadOnlyList<string> Text { get; init; }

    /// <summary>Activation of each piece.</summary>
    public required IReadOnlyList<float> Activations { get; init; }

    /// <summary>Index of the piece with the strongest activation.</summary>
    public required int Peak { get; init; }

    /// <summary>Joins tokens into pieces of whole characters.</summary>
    /// <param name="tokens">Bytes of each token.</param>
    /// <param name="activations">Activation of each token.</param>
    /// <param name="peak">Index of the token with the strongest activation.</param>
    public static ShadedText Join(IReadOnlyList<byte[]> tokens, IReadOnlyList<float> activations, int peak)
    {
        var pieces = Pieces(tokens).ToList();
        return new ShadedText
        {
            Text = [.. pieces.Select(p => p.Text)],
            Activations = [.. pieces.Select(p => Enumerable.Range(p.First, p.End - p.First).Max(i => activations[i]))],
            Peak = Math.Max(0, pieces.FindIndex(p => peak >= p.First && peak < p.End)),
        };
    }

    /// <summary>The pieces alone: tokens First to End - 1 share a character, or are one.</summary>
    /// <param name="tokens">Bytes of each token.</param>
    public static IEnumerable<(int First, int End, string Text)> Pieces(IReadOnlyList<byte[]> tokens)
    {
        for (int start = 0, end; start < tokens.Count; start = end)
        {
            byte[] bytes = tokens[start];
            for (end = start + 1; end < tokens.Count && EndsWithinCharacter(bytes); end++) bytes = [.. bytes, .. tokens[end]];
            yield return (start, end, Decode(bytes));
        }
    }

    /// <summary>UTF-8 to text; a byte that belongs to no character is written <c>\xd8</c>.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out var rune, out int length) == System.Buffers.OperationStatus.Done) text.Append(rune);
            else for (int i = 0; i < length; i++) text.Append($"\\x{bytes[i]:x2}");
            bytes = bytes[length..];
        }
        return text.ToString();
    }

    private static bool EndsWithinCharacter(ReadOnlySpan<byte> bytes)
    {
        // A character has at most four bytes: only an unfinished start within the last three can be waiting for more.
        for (int tail = Math.Min(3, bytes.Length); tail > 0; tail--)
            if (Rune.DecodeFromUtf8(bytes[^tail..], out _, out int length) == System.Buffers.OperationStatus.NeedMoreData && length == tail)
                return true;
        return false;
    }
}
