using Parsimony.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tokens;

/// <summary>The contexts of a text, or of one side of it.</summary>
/// <param name="Contexts">Of one length, at least one.</param>
/// <param name="Documents">From how many documents they are.</param>
/// <param name="Bad">What of the text could not be read.</param>
public sealed record PackedText(IReadOnlyList<int[]> Contexts, int Documents, BadRecords Bad);

/// <summary>A text as one stream of ids.</summary>
/// <param name="Ids">All of them.</param>
/// <param name="Documents">From how many documents they are.</param>
public sealed record StreamedText(int[] Ids, int Documents);

/// <summary>Documents, one after the other, cut into contexts of one length.</summary>
public static class ContextPacker
{
    /// <summary>
    /// Streams whole contexts. Each document is preceded by the begin-of-text token and followed by the end-of-text token (by nothing where the tokenizer has none),
    /// a context may span documents, and the tokens that do not fill the last one are dropped.
    /// </summary>
    /// <param name="pieces">Documents in pieces, as <see cref="Documents.Read"/> gives them.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="sequenceLength">Tokens per context, at least 1.</param>
    /// <returns>Arrays of exactly <paramref name="sequenceLength"/> ids.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="sequenceLength"/> is below 1.</exception>
    public static IEnumerable<int[]> Pack(IEnumerable<TextPiece> pieces, Tokenizer tokenizer, int sequenceLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        return Whole(pieces, tokenizer, sequenceLength);
    }

    /// <summary>The contexts of a text, or of one side of it, its documents told apart by their content; the others are passed over.</summary>
    /// <param name="text">What to read.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="sequenceLength">Tokens per context, at least 1.</param>
    /// <param name="split">Which side; null: the whole.</param>
    /// <param name="limit">Contexts to read at most, at least 1; null reads the whole text.</param>
    /// <exception cref="ArgumentException">A number is not allowed.</exception>
    /// <exception cref="InvalidDataException">The text is broken, or it, or this side of it, is shorter than one context.</exception>
    public static PackedText Pack(Corpus text, Tokenizer tokenizer, int sequenceLength, TextSplit? split = null, int? limit = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        if (limit is { } most) ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(limit));
        var contexts = new List<int[]>();
        var waiting = new List<int>();
        var bad = new BadRecords(text.Options.SkipBad);
        int documents = 0;
        foreach (var chunk in TokenStream.Of(text.Read(), split, tokenizer))
        {
            long before = (long)contexts.Count * sequenceLength + waiting.Count;
            waiting.AddRange(chunk.Ids);
            int start = 0;
            for (; start + sequenceLength <= waiting.Count && contexts.Count < (limit ?? int.MaxValue); start += sequenceLength)
                contexts.Add([.. waiting[start..(start + sequenceLength)]]);
            waiting.RemoveRange(0, start);
            bad = new BadRecords(text.Options.SkipBad);
            bad.Add(chunk.Bad, chunk.FirstBad);
            if (contexts.Count == limit)
            {
                // Of this chunk, those that begin before the last context ends.
                long end = (long)contexts.Count * sequenceLength - before;
                return new(contexts, documents + chunk.Ends.Count(e => e < end) + 1, bad);
            }
            documents += chunk.Ends.Count;
        }
        return contexts.Count > 0 ? new(contexts, documents, bad) : throw TooShort(text, sequenceLength, split, documents, waiting.Count, bad);
    }

    /// <summary>The contexts of a text that is named by its path.</summary>
    /// <param name="path">A text, as <see cref="Corpus.Open"/> takes it.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="sequenceLength">Tokens per context, at least 1.</param>
    /// <param name="options">How it is read; null is the default.</param>
    /// <param name="limit">Contexts to read at most, at least 1; null reads the whole text.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The file's kind, the options or a number are not allowed.</exception>
    /// <exception cref="InvalidDataException">The file is broken, or its text is shorter than one context.</exception>
    public static IReadOnlyList<int[]> PackFile(string path, Tokenizer tokenizer, int sequenceLength, TextOptions? options = null, int? limit = null) =>
        Pack(Corpus.Open(path, options), tokenizer, sequenceLength, null, limit).Contexts;

    /// <summary>A text as one stream, nothing dropped: the begin-of-text token before each document and the end-of-text token between two, where the tokenizer
    /// has them; behind the last document there is none.</summary>
    /// <param name="pieces">Documents in pieces, as <see cref="Documents.Read"/> gives them.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    public static StreamedText Stream(IEnumerable<TextPiece> pieces, Tokenizer tokenizer)
    {
        var (ids, documents, startsDocument, length) = (new List<int>(), 0, true, 0);
        foreach (var (text, endsDocument) in pieces)
        {
            Append(ids, text, startsDocument, endsDocument: false, tokenizer);
            length = ids.Count;
            Append(ids, "", startsDocument: false, endsDocument, tokenizer);
            if (startsDocument = endsDocument) documents++;
        }
        return new([.. ids[..length]], documents);
    }

    /// <summary>Contexts as one tensor.</summary>
    /// <param name="contexts">At least one, all of the same length.</param>
    /// <returns>int64 <c>[batch, seq]</c>.</returns>
    /// <exception cref="ArgumentException">There is no context, or their lengths differ.</exception>
    public static Tensor ToTensor(IReadOnlyList<int[]> contexts)
    {
        if (contexts.Count == 0) throw new ArgumentException("There are no contexts; at least one is needed.", nameof(contexts));
        int length = contexts[0].Length;
        var ids = new long[contexts.Count * length];
        for (int row = 0; row < contexts.Count; row++)
        {
            if (contexts[row].Length != length)
                throw new ArgumentException($"Context {row} has {contexts[row].Length} tokens, the first has {length}; all must be of one length.", nameof(contexts));
            for (int i = 0; i < length; i++) ids[row * length + i] = contexts[row][i];
        }
        return tensor(ids, [contexts.Count, length], device: CPU);
    }

    internal static InvalidDataException TooShort(Corpus text, int sequenceLength, TextSplit? split, int documents, int tokens, BadRecords bad) => new((split is null
        ? $"'{text.Path}' has {tokens} tokens (end-of-text included), but one context needs {sequenceLength}. Give a longer text or a smaller sequence length."
        : $"The {(split.Side == TextSide.HeldOut ? "held-out" : "training")} side of '{text.Path}' ({split.Percent} of its documents are to be held out) has {documents} documents "
            + $"of {tokens} tokens (end-of-text included), but one context needs {sequenceLength}. Give a text of more documents (in a .txt they stand between lines of "
            + $"'{text.Options.Separator}'), another fraction or a smaller sequence length.") + (bad.Sentence is { } passed ? " " + passed : ""));

    /// <summary>The ids of a piece, with those that begin and end a document where it does.</summary>
    internal static void Append(List<int> ids, string text, bool startsDocument, bool endsDocument, Tokenizer tokenizer)
    {
        if (startsDocument && tokenizer.BeginOfTextId is { } begin) ids.Add(begin);
        tokenizer.Encode(text, ids, startsDocument);
        if (endsDocument && tokenizer.EndOfTextId is { } end && end != tokenizer.BeginOfTextId) ids.Add(end);
    }

    private static IEnumerable<int[]> Whole(IEnumerable<TextPiece> pieces, Tokenizer tokenizer, int sequenceLength)
    {
        List<int> waiting = [];
        bool startsDocument = true;
        foreach (var (text, endsDocument) in pieces)
        {
            Append(waiting, text, startsDocument, endsDocument, tokenizer);
            startsDocument = endsDocument;

            int start = 0;
            for (; start + sequenceLength <= waiting.Count; start += sequenceLength)
                yield return [.. waiting[start..(start + sequenceLength)]];
            waiting.RemoveRange(0, start);
        }
    }
}
