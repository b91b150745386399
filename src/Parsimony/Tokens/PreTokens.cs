using System.Globalization;

namespace Parsimony.Tokens;

/// <summary>
/// Cuts a text into the pieces that byte-level BPE never merges across. It is the pattern of GPT-2
/// (Radford et al. 2019, <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>) over code points:
/// .NET's regular expressions see UTF-16 units, so 92,055 letters outside the BMP would not be letters to them.
/// </summary>
public static class PreTokens
{
    internal enum Kind : byte { Other, Letter, Number, Space }

    private static readonly Kind[] Kinds = [.. Enumerable.Range(0, 0x10000).Select(KindOf)];

    /// <summary>The pieces of <paramref name="text"/> in order; together they are the text, and none is empty.</summary>
    /// <param name="text">Text after normalisation, without added tokens.</param>
    /// <example><c>foreach (ReadOnlySpan&lt;char&gt; piece in PreTokens.Split("it's  so")) ...  // "it" "'s" " " " so"</c></example>
    public static Pieces Split(ReadOnlySpan<char> text) => new(text);

    /// <summary>The index just after the piece that starts at <paramref name="start"/>.</summary>
    /// <param name="text">Text after normalisation, without added tokens.</param>
    /// <param name="start">Where a piece starts, in [0, length).</param>
    public static int End(ReadOnlySpan<char> text, int start)
    {
        int contraction = ContractionLength(text[start..]);
        if (contraction > 0) return start + contraction;

        int i = start;
        Kind kind = KindAt(text, i, out int width);
        if (kind == Kind.Space)
        {
            int end = i + 1;
            while (end < text.Length && Kinds[text[end]] == Kind.Space) end++;
            if (end == text.Length) return end;
            if (end - i > 1) return end - 1;       // \s+(?!\S): the last one is left for the word that follows
            if (text[i] != ' ') return end;
            i = end;
            kind = KindAt(text, i, out width);
        }
        do i += width;
        while (i < text.Length && KindAt(text, i, out width) == kind);
        return i;
    }

    /// <summary>Where the first number character (<c>\p{N}</c>) is; -1 where there is none.</summary>
    internal static int FirstNumber(ReadOnlySpan<char> text, out int width)
    {
        width = 1;
        for (int i = 0; i < text.Length; i += width)
            if (KindAt(text, i, out width) == Kind.Number) return i;
        return -1;
    }

    private static int ContractionLength(ReadOnlySpan<char> s) => s switch
    {
        ['\'', 's' or 't' or 'm' or 'd', ..] => 2,
        ['\'', 'r' or 'v', 'e', ..] or ['\'', 'l', 'l', ..] => 3,
        _ => 0,
    };

    internal static Kind KindAt(ReadOnlySpan<char> text, int i, out int width)
    {
        char c = text[i];
        bool pair = char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
        width = pair ? 2 : 1;
        return pair ? KindOf(char.ConvertToUtf32(c, text[i + 1])) : Kinds[c];
    }

    private static Kind KindOf(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        <= UnicodeCategory.OtherLetter => Kind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
        _ => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint) ? Kind.Space : Kind.Other,
    };

    /// <summary>Enumerates pieces without allocating.</summary>
    public ref struct Pieces
    {
        private readonly ReadOnlySpan<char> _text;
        private int _start, _end;

        internal Pieces(ReadOnlySpan<char> text) => _text = text;

        /// <summary>The piece the enumerator stands on.</summary>
        public readonly ReadOnlySpan<char> Current => _text[_start.._end];

        /// <summary>Itself, so that <c>foreach</c> takes it.</summary>
        public readonly Pieces GetEnumerator() => this;

        /// <summary>Steps to the next piece; false at the end of the text.</summary>
        public bool MoveNext()
        {
            _start = _end;
            if (_start == _text.Length) return false;
            _end = End(_text, _start);
            return true;
        }
    }
}
