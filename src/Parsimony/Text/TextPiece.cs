namespace Parsimony.Text;

/// <summary>
/// A part of a document, about 1 MiB characters at most. Pieces are cut where tokens cannot reach across, so that encoding them
/// one after the other gives the ids of the whole document.
/// </summary>
/// <param name="Text">The characters, never empty.</param>
/// <param name="EndsDocument">Whether the document ends here.</param>
public readonly record struct TextPiece(string Text, bool EndsDocument)
{
    /// <summary>A document that is held whole, in pieces; none where it is empty.</summary>
    internal static IEnumerable<TextPiece> Of(string document)
    {
        for (int at = 0, end; at < document.Length; at = end)
        {
            end = at + SafeCut.Length(document.AsSpan(at), SafeCut.PieceChars);
            yield return new(document[at..end], EndsDocument: end == document.Length);
        }
    }
}

/// <summary>A piece and the record of its file (line, row, game, document) that it is from, 0-based.</summary>
internal readonly record struct TextRecord(TextPiece Piece, long Record);
