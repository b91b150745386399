namespace Parsimony.Text;

/// <summary>
/// Where a long text may be cut so that encoding the parts gives the ids of the whole: before white space that follows
/// something else. No word, run of spaces or composed character reaches across such a place.
/// </summary>
internal static class SafeCut
{
    /// <summary>Length of a piece in UTF-16 units.</summary>
    public const int PieceChars = 1 << 20;

    /// <summary>How much of <paramref name="text"/> makes the next piece: all of it up to <paramref name="limit"/>, else to the last good place.</summary>
    public static int Length(ReadOnlySpan<char> text, int limit)
    {
        if (text.Length <= limit) return text.Length;
        var window = text[..(limit + 1)];
        int at = Last(window, static (before, c) => c is '\n' or '\r' && !char.IsWhiteSpace(before));
        if (at == 0) at = Last(window, static (before, c) => char.IsWhiteSpace(c) && !char.IsWhiteSpace(before));
        // Text without any space (Chinese, say): punctuation starts a piece of its own after a letter or digit.
        if (at == 0) at = Last(window, static (before, c) => char.IsLetterOrDigit(before) && (char.IsPunctuation(c) || char.IsSymbol(c)));
        // One endless word: nothing is exact but to hold it all, so only surrogate pairs are kept whole.
        if (at == 0) at = limit - (char.IsLowSurrogate(window[limit]) && limit > 1 ? 1 : 0);
        return at;
    }

    private static int Last(ReadOnlySpan<char> window, Func<char, char, bool> mayCut)
    {
        for (int i = window.Length - 1; i > 0; i--)
            if (mayCut(window[i - 1], window[i])) return i;
        return 0;
    }
}
