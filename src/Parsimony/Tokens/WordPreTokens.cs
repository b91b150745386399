namespace Parsimony.Tokens;

/// <summary>
/// The pieces of Llama 3 and Qwen over code points:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>;
/// Qwen has <c>\p{N}</c> instead of <c>\p{N}{1,3}</c>.
/// </summary>
internal static class WordPreTokens
{
    /// <summary>The index just after the piece that starts at <paramref name="start"/>.</summary>
    /// <param name="text">Text after normalisation, without added tokens.</param>
    /// <param name="start">Where a piece starts, in [0, length).</param>
    /// <param name="mostDigits">Digits of one piece at most.</param>
    public static int End(ReadOnlySpan<char> text, int start, int mostDigits)
    {
        int contraction = ContractionLength(text[start..]);
        if (contraction > 0) return start + contraction;

        var kind = PreTokens.KindAt(text, start, out int width);
        int second = start + width;
        if (kind == PreTokens.Kind.Letter) return Run(text, second, PreTokens.Kind.Letter);
        if (text[start] is not ('\r' or '\n') && kind != PreTokens.Kind.Number && Is(text, second, PreTokens.Kind.Letter))
            return Run(text, second, PreTokens.Kind.Letter);
        if (kind == PreTokens.Kind.Number) return Run(text, second, PreTokens.Kind.Number, mostDigits - 1);
        if (kind == PreTokens.Kind.Other || text[start] == ' ' && Is(text, second, PreTokens.Kind.Other))
        {
            int end = Run(text, second, PreTokens.Kind.Other);
            while (end < text.Length && text[end] is '\r' or '\n') end++;
            return end;
        }

        int spaces = Run(text, second, PreTokens.Kind.Space);
        int line = text[start..spaces].LastIndexOfAny('\r', '\n');
        if (line >= 0) return start + line + 1;
        return spaces == text.Length || spaces - start == 1 ? spaces : spaces - 1; // the last space is left for what follows
    }

    private static bool Is(ReadOnlySpan<char> text, int at, PreTokens.Kind kind) => at < text.Length && PreTokens.KindAt(text, at, out _) == kind;

    private static int Run(ReadOnlySpan<char> text, int at, PreTokens.Kind kind, int most = int.MaxValue)
    {
        for (; most > 0 && at < text.Length && PreTokens.KindAt(text, at, out int width) == kind; most--) at += width;
        return at;
    }

    private static int ContractionLength(ReadOnlySpan<char> s) => s switch
    {
        ['\'', 's' or 'S' or 'ſ' or 't' or 'T' or 'm' or 'M' or 'd' or 'D', ..] => 2,
        ['\'', 'r' or 'R' or 'v' or 'V', 'e' or 'E', ..] or ['\'', 'l' or 'L', 'l' or 'L', ..] => 3,
        _ => 0,
    };
}
