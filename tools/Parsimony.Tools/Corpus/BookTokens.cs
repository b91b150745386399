using System.Text;
using Parsimony.Tokens;

namespace Parsimony.Tools.Corpus;

/// <summary>Books as one run of tokens: an end-of-text token first and after every chapter.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Bytes">The chapters' UTF-8 bytes.</param>
public sealed record BookTokens(int[] Ids, long Bytes)
{
    /// <summary>Encodes books in their order.</summary>
    /// <exception cref="InvalidDataException">The tokenizer has no end-of-text token.</exception>
    public static BookTokens Encode(IEnumerable<Book> books, Tokenizer tokenizer)
    {
        int endOfText = tokenizer.EndOfTextId ?? throw new InvalidDataException(
            "the tokenizer has no <|endoftext|> token; chapters cannot be told apart. Use one made by the tokenizer command.");
        var ids = new List<int> { endOfText };
        long bytes = 0;
        foreach (string chapter in books.SelectMany(b => b.Chapters))
        {
            tokenizer.Encode(chapter, ids);
            ids.Add(endOfText);
            bytes += Encoding.UTF8.GetByteCount(chapter);
        }
        return new BookTokens([.. ids], bytes);
    }
}
