namespace Parsimony.Text;

/// <summary>
/// A part of a document, about 1 MiB characters at most. Pieces are cut where tokens cannot reach across, so that encoding them
/// one after the other gives the ids of the whole document.
/// </summary>
/// <param name="Text">The characters, never empty.</param>
/// <param name="EndsDocument">Whether the document ends here.</param>
public readonly record struct TextPiece(string Text, bool EndsDocument);
