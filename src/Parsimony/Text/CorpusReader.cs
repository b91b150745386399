namespace Parsimony.Text;

/// <summary>Where the reading of a text stands: enough to go on exactly there.</summary>
/// <param name="File">Number of the file, 0-based. All four say where the present block of documents that are shuffled together begins;
/// without shuffling, where the next document does.</param>
/// <param name="Record">Records (lines, rows, games, documents) of that file before it.</param>
/// <param name="Document">Documents of the whole text before it, those of other shards included.</param>
/// <param name="InBlock">Documents of the block already given out.</param>
public readonly record struct CorpusPosition(int File, long Record, long Document, int InBlock);

/// <summary>Reads a text, in its order or shuffled block by block, and knows where it stands.</summary>
public sealed class CorpusReader
{
    private const long BlockChars = 64 << 20;
    private readonly Corpus corpus;

    internal CorpusReader(Corpus corpus, CorpusPosition from) =>
        (this.corpus, Position, Bad) = (corpus, from, new BadRecords(corpus.Options.SkipBad));

    /// <summary>Behind the last document whose end was given out. A new reader that begins there gives what this one gives next.</summary>
    public CorpusPosition Position { get; private set; }

    /// <summary>What this reader could not read so far.</summary>
    public BadRecords Bad { get; }

    /// <summary>The documents from <see cref="Position"/> on, each as one or more pieces.</summary>
    /// <exception cref="InvalidDataException">Something is broken, and the options do not say to pass over it; names file and line or row group.</exception>
    public IEnumerable<TextPiece> Pieces() => corpus.Options.ShuffleDocuments == 0 ? InOrder() : Shuffled();

    private IEnumerable<TextPiece> InOrder()
    {
        foreach (var (piece, behind) in Own(Position))
        {
            if (piece.EndsDocument) Position = behind;
            yield return piece;
        }
    }

    private IEnumerable<TextPiece> Shuffled()
    {
        int given = Position.InBlock;
        var start = Position with { InBlock = 0 };
        var block = new List<List<TextPiece>>();
        long chars = 0;
        bool open = false;
        foreach (var (piece, behind) in Own(start))
        {
            if (!open) block.Add([]);
            block[^1].Add(piece);
            open = !piece.EndsDocument;
            chars += piece.Text.Length;
            if (open || (block.Count < corpus.Options.ShuffleDocuments && chars < BlockChars)) continue;
            foreach (var shuffled in Drawn(block, start, given, behind)) yield return shuffled;
            (start, given, chars) = (behind, 0, 0);
            block.Clear();
        }
        if (block.Count == 0) yield break;
        var end = new CorpusPosition(corpus.Files.Count, 0, start.Document + block.Count, 0);
        foreach (var shuffled in Drawn(block, start, given, end)) yield return shuffled;
    }

    private IEnumerable<TextPiece> Drawn(List<List<TextPiece>> block, CorpusPosition start, int given, CorpusPosition end)
    {
        DocumentShuffle.Apply(block, corpus.Options.ShuffleSeed, start.Document);
        for (int i = given; i < block.Count; i++)
            foreach (var piece in block[i])
            {
                if (piece.EndsDocument) Position = i + 1 < block.Count ? start with { InBlock = i + 1 } : end;
                yield return piece;
            }
    }

    /// <summary>The documents of this shard from a position on, each piece with the position behind its document.</summary>
    private IEnumerable<(TextPiece Piece, CorpusPosition Behind)> Own(CorpusPosition from)
    {
        var (shard, shards) = (corpus.Options.Shard, corpus.Options.Shards);
        long document = from.Document;
        for (int file = from.File; file < corpus.Files.Count; file++)
            foreach (var (piece, record) in Whole(corpus.Files[file], file == from.File ? from.Record : 0))
            {
                if (document % shards == shard) yield return (piece, new(file, record + 1, document + 1, 0));
                if (piece.EndsDocument) document++;
            }
    }

    /// <summary>The records of a file; what makes its rest unreadable is a bad record, and a document cut short there ends.</summary>
    private IEnumerable<TextRecord> Whole(string file, long from)
    {
        using var records = TextFile.Read(file, corpus.Options, Bad, from).GetEnumerator();
        TextRecord? last = null;
        while (true)
        {
            try
            {
                if (!records.MoveNext()) yield break;
            }
            catch (InvalidDataException e)
            {
                Bad.Add(e);
                break;
            }
            yield return (last = records.Current).Value;
        }
        if (last is { Piece.EndsDocument: false } cut) yield return cut with { Piece = new("\n", EndsDocument: true) };
    }
}
