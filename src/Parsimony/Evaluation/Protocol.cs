namespace Parsimony.Evaluation;

/// <summary>How a text is cut into forward passes, and which of its tokens are predicted. Losses of the two are not comparable.</summary>
public enum Protocol
{
    /// <summary>The article's: contexts that do not overlap, every token but the first of each predicted.</summary>
    Article,
    /// <summary>The field's sliding window: windows that overlap, every token but the text's first predicted once, with the context that its window gives.</summary>
    Strided,
}
