using Parsimony.Text;

namespace Parsimony.Tokens;

/// <summary>Ids of some documents one after the other.</summary>
/// <param name="Ids">With the begin-of-text id before and the end-of-text id behind each document.</param>
/// <param name="Ends">Where documents end among them: behind their last id.</param>
/// <param name="Position">Where the text goes on; null: inside a document.</param>
/// <param name="Bad">Broken parts passed over so far.</param>
/// <param name="FirstBad">The first of them; null: none.</param>
internal sealed record TokenChunk(List<int> Ids, List<int> Ends, CorpusPosition? Position, long Bad, string? FirstBad);

/// <summary>A text as ids: read on one thread and encoded on another, both ahead of whoever takes them.</summary>
internal static class TokenStream
{
    private const int ChunkChars = 1 << 18;

    private sealed record Batch(List<TextPiece> Pieces, CorpusPosition? Position, long Bad, string? FirstBad);

    /// <summary>The ids from where the reader stands.</summary>
    public static IEnumerable<TokenChunk> Of(CorpusReader reader, TextSplit? split, Tokenizer tokenizer) =>
        ReadAhead.Of(Encoded(ReadAhead.Of(Batches(reader, split)), tokenizer));

    private static IEnumerable<Batch> Batches(CorpusReader reader, TextSplit? split)
    {
        var pieces = new List<TextPiece>();
        int chars = 0;
        foreach (var piece in split?.Of(reader.Pieces()) ?? reader.Pieces())
        {
            pieces.Add(piece);
            if ((chars += piece.Text.Length) < ChunkChars) continue;
            yield return new(pieces, piece.EndsDocument ? reader.Position : null, reader.Bad.Count, reader.Bad.First);
            (pieces, chars) = ([], 0);
        }
        yield return new(pieces, reader.Position, reader.Bad.Count, reader.Bad.First);
    }

    private static IEnumerable<TokenChunk> Encoded(IEnumerable<Batch> batches, Tokenizer tokenizer)
    {
        bool startsDocument = true;
        foreach (var batch in batches)
        {
            List<int> ids = [], ends = [];
            foreach (var (text, endsDocument) in batch.Pieces)
            {
                ContextPacker.Append(ids, text, startsDocument, endsDocument, tokenizer);
                if (endsDocument) ends.Add(ids.Count);
                startsDocument = endsDocument;
            }
            yield return new(ids, ends, batch.Position, batch.Bad, batch.FirstBad);
        }
    }
}
