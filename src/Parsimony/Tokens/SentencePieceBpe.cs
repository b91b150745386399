using System.Globalization;
using System.Text;

namespace Parsimony.Tokens;

/// <summary>
/// BPE as SentencePiece has it (Kudo and Richardson 2018): characters are the first symbols, spaces are one of them, and a character the
/// vocabulary lacks becomes its UTF-8 bytes, <c>&lt;0xE2&gt;</c>, or the unknown token.
/// </summary>
internal sealed class SentencePieceBpe : IPieceEncoder
{
    private readonly TokenizerFile file;
    private readonly SpaceRule rule;
    private readonly PairMerger merger;
    private readonly int[]? byteIds;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> vocabulary;

    public SentencePieceBpe(TokenizerFile file, SpaceRule rule)
    {
        (this.file, this.rule, merger) = (file, rule, new PairMerger(file.Joins));
        vocabulary = file.Vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
        if (file.ByteFallback) byteIds = [.. Enumerable.Range(0, 256).Select(b => file.Vocabulary[ByteEntry(b)])];
    }

    /// <summary>How a byte is written in such a vocabulary.</summary>
    public static string ByteEntry(int value) => $"<0x{value:X2}>";

    public void Encode(ReadOnlySpan<char> text, bool startsPart, bool startsText, List<int> ids)
    {
        bool prefix = rule.Prefix switch
        {
            SpacePrefix.PartsAnyway => startsPart,
            SpacePrefix.Parts => startsPart && text[0] is var first && first != ' ' && first != rule.Space,
            SpacePrefix.First => startsText && text[0] is var first && first != ' ' && first != rule.Space,
            _ => false,
        };
        ReadOnlySpan<char> rest = (prefix ? $" {text}" : text.ToString()).Replace(' ', rule.Space);
        for (int end; !rest.IsEmpty; rest = rest[end..])
        {
            int next = rule.SplitsWords ? rest[1..].IndexOf(rule.Space) : -1;
            end = next < 0 ? rest.Length : next + 1;
            Merge(rest[..end], ids);
        }
    }

    /// <inheritdoc/>
    public byte[] Bytes(string entry) => file.ByteFallback && entry is ['<', '0', 'x', _, _, '>']
        && byte.TryParse(entry.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? [value] : Encoding.UTF8.GetBytes(entry.Replace(rule.Space, ' '));

    private void Merge(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (file.IgnoreMerges && vocabulary.TryGetValue(piece, out int token))
        {
            ids.Add(token);
            return;
        }
        var symbols = new List<int>(piece.Length);
        Span<byte> bytes = stackalloc byte[4];
        while (Rune.DecodeFromUtf16(piece, out var rune, out int width) is var _ && width > 0)
        {
            if (vocabulary.TryGetValue(piece[..width], out int id)) symbols.Add(id);
            else if (byteIds is not null)
                foreach (byte b in bytes[..rune.EncodeToUtf8(bytes)]) symbols.Add(byteIds[b]);
            else if (!file.FuseUnknown || symbols is not [.., var last] || last != file.UnknownId) symbols.Add(file.UnknownId!.Value);
            piece = piece[width..];
        }
        merger.Merge(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(symbols), ids);
    }
}
