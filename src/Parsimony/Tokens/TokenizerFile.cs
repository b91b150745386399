namespace Parsimony.Tokens;

/// <summary>What a tokenizer's file says, of either kind: byte-level BPE, or where <see cref="Spaces"/> is set SentencePiece BPE.</summary>
/// <param name="Vocabulary">Entry, as the file writes it, to id.</param>
/// <param name="Joins">Pairs of ids that may be joined: left, right, rank (the lowest first), joined.</param>
/// <param name="Raw">Added tokens found in the text as it came.</param>
/// <param name="Normalised">Added tokens found in the text after normalisation.</param>
internal sealed record TokenizerFile(
    Dictionary<string, int> Vocabulary, IReadOnlyList<(int Left, int Right, int Rank, int Joined)> Joins, IReadOnlyList<AddedToken> Raw, IReadOnlyList<AddedToken> Normalised)
{
    /// <summary>Whether the text is brought to normalisation form C.</summary>
    public bool Nfc { get; init; }
    /// <summary>Byte level: whether a text that does not start with a space gets one.</summary>
    public bool AddPrefixSpace { get; init; }
    /// <summary>Byte level: how the text is cut.</summary>
    public SplitPattern Pattern { get; init; }
    /// <summary>Byte level: whether each digit is a piece of its own before the pattern cuts (SmolLM).</summary>
    public bool DigitsApart { get; init; }
    /// <summary>Whether a piece that is a token is taken whole, whatever the merges say (Llama 3).</summary>
    public bool IgnoreMerges { get; init; }
    /// <summary>SentencePiece: how spaces are written; null for byte level.</summary>
    public SpaceRule? Spaces { get; init; }
    /// <summary>SentencePiece: whether characters without a token become bytes.</summary>
    public bool ByteFallback { get; init; }
    /// <summary>SentencePiece: the token of characters that have none; null where there is none.</summary>
    public int? UnknownId { get; init; }
    /// <summary>SentencePiece: whether neighbouring unknown characters are one token.</summary>
    public bool FuseUnknown { get; init; }
    /// <summary>The token put before a document; null for none.</summary>
    public int? BeginOfTextId { get; init; }
    /// <summary>The token that ends a document; null for none.</summary>
    public int? EndOfTextId { get; init; }
}
