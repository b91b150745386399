namespace Parsimony.Tokens;

/// <summary>When a SentencePiece tokenizer puts a space in front of a text.</summary>
internal enum SpacePrefix
{
    /// <summary>Never.</summary>
    Never,
    /// <summary>Before the document, unless it starts with a space.</summary>
    First,
    /// <summary>Before each part between added tokens, unless it starts with a space.</summary>
    Parts,
    /// <summary>Before each part, even one that starts with a space (the normalizer <c>Prepend</c>; llama2.c).</summary>
    PartsAnyway,
}

/// <summary>How a SentencePiece tokenizer treats spaces.</summary>
/// <param name="Space">How its vocabulary writes a space: <c>▁</c>, or a space itself.</param>
/// <param name="Prefix">When one is put in front.</param>
/// <param name="SplitsWords">Whether a piece begins at every space, so that no token reaches across one.</param>
internal sealed record SpaceRule(char Space, SpacePrefix Prefix, bool SplitsWords);
