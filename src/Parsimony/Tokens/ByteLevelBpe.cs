using System.Buffers;
using System.Text;

namespace Parsimony.Tokens;

/// <summary>Byte-level BPE: the text is cut into pieces by a pattern, a piece's UTF-8 bytes are the first symbols, and pairs are joined within the piece.</summary>
internal sealed class ByteLevelBpe : IPieceEncoder
{
    private const int LongestKept = 32;
    private readonly TokenizerFile file;
    private readonly PairMerger merger;
    private readonly int[] byteIds = new int[256];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> whole;
    private readonly Piece?[] kept = new Piece[1 << 15]; // one reference each, written whole: many threads may share it

    private sealed record Piece(string Text, int[] Ids);

    public ByteLevelBpe(TokenizerFile file)
    {
        this.file = file;
        merger = new PairMerger(file.Joins);
        for (int b = 0; b < 256; b++) byteIds[b] = file.Vocabulary.GetValueOrDefault(ByteLevel.Symbol((byte)b).ToString(), -1);
        whole = file.Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public void Encode(ReadOnlySpan<char> text, bool startsPart, bool startsText, List<int> ids)
    {
        if (file.AddPrefixSpace && startsPart && text[0] != ' ') text = $" {text}";
        while (file.DigitsApart)
        {
            int digit = PreTokens.FirstNumber(text, out int width);
            if (digit < 0) break;
            Cut(text[..digit], ids);
            Merge(text.Slice(digit, width), ids);
            text = text[(digit + width)..];
        }
        Cut(text, ids);
    }

    public byte[] Bytes(string entry) => ByteLevel.Decode(entry);

    private void Cut(ReadOnlySpan<char> text, List<int> ids)
    {
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = file.Pattern switch
            {
                SplitPattern.Gpt2 => PreTokens.End(text, start),
                SplitPattern.Llama3 => WordPreTokens.End(text, start, mostDigits: 3),
                _ => WordPreTokens.End(text, start, mostDigits: 1),
            };
            Merge(text[start..end], ids);
        }
    }

    private void Merge(ReadOnlySpan<char> piece, List<int> ids)
    {
        ref var place = ref kept[(uint)string.GetHashCode(piece) % (uint)kept.Length];
        if (place is { } found && piece.SequenceEqual(found.Text))
        {
            ids.AddRange(found.Ids);
            return;
        }
        int before = ids.Count;
        int[] symbols = ArrayPool<int>.Shared.Rent(3 * piece.Length);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(3 * piece.Length);
        int n = Encoding.UTF8.GetBytes(piece, bytes);
        if (!file.IgnoreMerges || !IsToken(bytes.AsSpan(0, n), ids))
        {
            for (int i = 0; i < n; i++) symbols[i] = byteIds[bytes[i]];
            merger.Merge(symbols.AsSpan(0, n), ids);
        }
        ArrayPool<byte>.Shared.Return(bytes);
        ArrayPool<int>.Shared.Return(symbols);
        if (piece.Length <= LongestKept) place = new Piece(piece.ToString(), [.. ids[before..]]);
    }

    /// <summary>Llama 3 takes a piece that is a token as it stands, whether or not merges lead to it.</summary>
    private bool IsToken(ReadOnlySpan<byte> bytes, List<int> ids)
    {
        Span<char> entry = bytes.Length <= 256 ? stackalloc char[bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++) entry[i] = ByteLevel.Symbol(bytes[i]);
        if (!whole.TryGetValue(entry, out int id)) return false;
        ids.Add(id);
        return true;
    }
}
