using Microsoft.ML.Tokenizers;

namespace Parsimony.Tokens;

/// <summary><see cref="PreTokens"/> in the form the BPE library asks for.</summary>
internal sealed class PieceBounds : PreTokenizer
{
    /// <summary>
    /// Longest piece in UTF-16 units. The library's merging takes time quadratic in the piece (1 Mi letters without a break:
    /// 90 s), so a longer one, which is no word of any language, is cut here: the one place where ids may differ from others'.
    /// </summary>
    internal const int Longest = 1 << 15;

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => PreTokenize(text.AsSpan());

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        var bounds = new List<(int Offset, int Length)>(text.Length / 4 + 1);
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = PreTokens.End(text, start);
            if (end - start > Longest) end = start + Longest - (char.IsLowSurrogate(text[start + Longest]) ? 1 : 0);
            bounds.Add((start, end - start));
        }
        return bounds;
    }
}
