namespace Parsimony.Text;

/// <summary>The form a text is in, as far as it changes what a loss on it means.</summary>
public enum TextForm
{
    /// <summary>Text as people write it.</summary>
    Plain,
    /// <summary>WikiText as first published (wikitext-103-v1): words and punctuation spaced apart, <c> = Title = </c>, <c> @-@ </c>, rare words replaced by <c>&lt;unk&gt;</c>.</summary>
    WikitextTokens,
    /// <summary>WikiText's raw form (wikitext-103-raw-v1): spaced apart in the same way, but every word is there.</summary>
    WikitextRaw,
}
