using System.Buffers;

namespace Parsimony.Tokens;

/// <summary>A token that is found in the text as it stands, before any pre-tokenising and merging.</summary>
/// <param name="Content">What it looks like in the text.</param>
/// <param name="Id">Its id.</param>
internal sealed record AddedToken(string Content, int Id);

/// <summary>Finds added tokens in a text: the leftmost one, and of those that start there the longest.</summary>
internal sealed class AddedTokens(IEnumerable<AddedToken> tokens)
{
    private readonly AddedToken[] _longestFirst = [.. tokens.OrderByDescending(t => t.Content.Length)];
    private readonly SearchValues<string> _any = SearchValues.Create([.. tokens.Select(t => t.Content)], StringComparison.Ordinal);

    /// <summary>The first added token in <paramref name="text"/> and where it starts; null when there is none.</summary>
    public AddedToken? First(ReadOnlySpan<char> text, out int at)
    {
        at = text.IndexOfAny(_any);
        if (at < 0) return null;
        foreach (var token in _longestFirst)
            if (text[at..].StartsWith(token.Content, StringComparison.Ordinal)) return token;
        return null;
    }
}
