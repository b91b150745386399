using System.Globalization;
using System.Text;

namespace Parsimony.FineTuning.Rewards;

/// <summary>One character as people count them, made comparable.</summary>
/// <param name="Folded">Lower case, compatibility forms resolved (full width, ligatures); empty for what cannot be seen.</param>
/// <param name="Start">Where it stands in the text.</param>
/// <param name="Length">How many <see langword="char"/>s of the text it is.</param>
/// <param name="Kind">What it does at the edge of a word.</param>
internal readonly record struct FoldedCharacter(string Folded, int Start, int Length, EdgeKind Kind);

/// <summary>What a character does at the edge of a word.</summary>
internal enum EdgeKind
{
    /// <summary>Punctuation and symbols: a word ends beside it.</summary>
    Other,
    /// <summary>White space: likewise, and it parts the words of a phrase.</summary>
    Space,
    /// <summary>A letter, a digit or a mark: a word goes on.</summary>
    Word,
    /// <summary>A letter of a script that sets no spaces between words (Chinese, Japanese, Thai, Lao, Burmese, Khmer): a word may begin or end beside it.</summary>
    Spaceless,
}

/// <summary>A text character by character (extended grapheme clusters), each made comparable, so that É is é however it is composed.</summary>
internal static class FoldedText
{
    private static readonly FoldedCharacter[] AsciiCharacters =
        [.. Enumerable.Range(0, 128).Select(c => new FoldedCharacter(char.ToLowerInvariant((char)c).ToString(), 0, 1, Kind(new Rune(c))))];

    /// <summary>The characters of a text.</summary>
    /// <param name="text">The text, without half surrogate pairs.</param>
    /// <param name="plain">Whether accents and invisible characters are taken off.</param>
    public static List<FoldedCharacter> Of(string text, bool plain)
    {
        var characters = new List<FoldedCharacter>(text.Length);
        bool ascii = Ascii.IsValid(text);
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = ascii ? 1 : StringInfo.GetNextTextElementLength(text, at);
            if (length == 1 && text[at] < 128)
            {
                characters.Add(AsciiCharacters[text[at]] with { Start = at });
                continue;
            }
            string folded = Fold(text.Substring(at, length), plain);
            if (folded.Length == 0) characters.Add(new("", at, length, EdgeKind.Other));
            for (int i = 0, part; i < folded.Length; i += part)         // a ligature is several
            {
                part = StringInfo.GetNextTextElementLength(folded, i);
                string one = folded.Substring(i, part);
                characters.Add(new(one, at, length, Kind(Rune.GetRuneAt(one, 0))));
            }
        }
        return characters;
    }

    private static string Fold(string element, bool plain)
    {
        string composed = element.Normalize(NormalizationForm.FormKC).ToLowerInvariant();
        if (!plain) return composed;
        var bare = new StringBuilder();
        foreach (var rune in composed.Normalize(NormalizationForm.FormKD).EnumerateRunes())
            if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format))
                bare.Append(rune);
        return bare.ToString().Normalize(NormalizationForm.FormKC);
    }

    private static EdgeKind Kind(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        _ when Rune.IsWhiteSpace(rune) => EdgeKind.Space,
        _ when SetsNoSpaces(rune.Value) => EdgeKind.Spaceless,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => EdgeKind.Word,
        _ => Rune.IsLetterOrDigit(rune) ? EdgeKind.Word : EdgeKind.Other,
    };

    private static bool SetsNoSpaces(int rune) => rune is (>= 0x0E01 and <= 0x0EFF) or (>= 0x1000 and <= 0x109F) or (>= 0x1780 and <= 0x17FF)
        or (>= 0x3041 and <= 0x30FF) or (>= 0x31F0 and <= 0x31FF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x4E00 and <= 0x9FFF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x20000 and <= 0x3FFFF);
}
