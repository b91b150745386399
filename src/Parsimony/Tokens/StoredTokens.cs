using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Parsimony.Files;
using Parsimony.Text;

namespace Parsimony.Tokens;

/// <summary><c>index.json</c> of a tokenised text: what its files hold and how far they go.</summary>
internal sealed record StoredTokensIndex
{
    /// <summary>To be raised when a text gets other ids from the same tokenizer, or the layout changes.</summary>
    public int Version { get; init; } = 1;
    public required string TokenizerSha256 { get; init; }
    public required string CorpusSha256 { get; init; }
    /// <summary>Name of the text, for people.</summary>
    public required string Text { get; init; }
    public required TextOptions Options { get; init; }
    public TextSplit? Split { get; init; }
    /// <summary>Bytes of an id in tokens.bin, little-endian: 2 or 4.</summary>
    public required int IdBytes { get; init; }
    public long Tokens { get; init; }
    public long Documents { get; init; }
    /// <summary>Whether this is the whole text; else it goes on at <see cref="Position"/>.</summary>
    public bool IsComplete { get; init; }
    public CorpusPosition Position { get; init; }
    public long Bad { get; init; }
    public string? FirstBad { get; init; }
}

/// <summary>
/// A tokenised text in a folder: <c>tokens.bin</c> (ids of 2 or 4 bytes), <c>ends.bin</c> (for each document the number of ids up to its end, 8 bytes), <c>index.json</c>, written last:
/// what the files hold beyond it does not count.
/// </summary>
internal sealed class StoredTokens(string folder)
{
    private const long CommitTokens = 1 << 22;
    private string TokensFile => Path.Combine(folder, "tokens.bin");
    private string EndsFile => Path.Combine(folder, "ends.bin");
    private string IndexFile => Path.Combine(folder, "index.json");

    /// <summary>What is there; null: nothing, or nothing of use.</summary>
    public StoredTokensIndex? Index
    {
        get
        {
            try
            {
                return File.Exists(IndexFile) && Json.Load<StoredTokensIndex>(IndexFile) is { Version: 1 } index
                    && Length(TokensFile) >= index.Tokens * index.IdBytes && Length(EndsFile) >= index.Documents * sizeof(long) ? index : null;
            }
            catch (InvalidDataException)
            {
                return null; // made anew
            }
        }
    }

    /// <summary>Writes on until there are enough tokens, or the text ends. An interruption loses what came since the last 4 Mi tokens.</summary>
    /// <returns>The index; null: another process is writing here.</returns>
    public StoredTokensIndex? Extend(StoredTokensIndex index, Corpus text, Tokenizer tokenizer, long enough)
    {
        Directory.CreateDirectory(folder);
        using var only = Lock();
        if (only is null) return null;
        using var tokens = Open(TokensFile, index.Tokens * index.IdBytes);
        using var ends = Open(EndsFile, index.Documents * sizeof(long));
        var (written, documents) = (index.Tokens, index.Documents);
        var (bad, firstBad) = (index.Bad, index.FirstBad);
        long badBefore = bad;
        foreach (var chunk in TokenStream.Of(text.Read(index.Position), index.Split, tokenizer))
        {
            Write(tokens, chunk.Ids, index.IdBytes);
            foreach (int end in chunk.Ends) ends.Write(MemoryMarshal.AsBytes([written + end]));
            (written, documents, bad, firstBad) = (written + chunk.Ids.Count, documents + chunk.Ends.Count, badBefore + chunk.Bad, firstBad ?? chunk.FirstBad);
            if (chunk.Position is not { } position || written - index.Tokens < CommitTokens && written < enough) continue;
            index = Commit(index with { Tokens = written, Documents = documents, Position = position, Bad = bad, FirstBad = firstBad });
            if (written >= enough) return index;
        }
        return Commit(index with { Tokens = written, Documents = documents, IsComplete = true, Bad = bad, FirstBad = firstBad });

        StoredTokensIndex Commit(StoredTokensIndex next)
        {
            tokens.Flush(flushToDisk: true);
            ends.Flush(flushToDisk: true);
            Json.Save(IndexFile, next);
            return next;
        }
    }

    /// <summary>The contexts, and from how many documents they are.</summary>
    public (StoredContexts Contexts, int Documents) Read(StoredTokensIndex index, int sequenceLength, int? limit)
    {
        int count = (int)Math.Min(limit ?? int.MaxValue, index.Tokens / sequenceLength);
        if (limit is null || count < limit) return (new StoredContexts(TokensFile, index.IdBytes, count, sequenceLength), (int)Math.Min(int.MaxValue, index.Documents));
        using var ends = new FileStream(EndsFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        long low = 0, high = index.Documents; // the first document that reaches the end of the last context
        while (low < high)
        {
            long middle = (low + high) / 2, end = 0;
            ends.Position = middle * sizeof(long);
            ends.ReadExactly(MemoryMarshal.AsBytes(new Span<long>(ref end)));
            if (end >= (long)count * sequenceLength) high = middle;
            else low = middle + 1;
        }
        return (new StoredContexts(TokensFile, index.IdBytes, count, sequenceLength), (int)Math.Min(int.MaxValue, low + 1));
    }

    private FileStream? Lock()
    {
        try
        {
            return new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static FileStream Open(string path, long length)
    {
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1 << 16);
        file.SetLength(length);
        file.Position = length;
        return file;
    }

    private static void Write(FileStream file, List<int> ids, int idBytes)
    {
        var all = CollectionsMarshal.AsSpan(ids);
        if (idBytes == sizeof(int)) file.Write(MemoryMarshal.AsBytes(all));
        else
        {
            var narrow = new ushort[all.Length];
            for (int i = 0; i < narrow.Length; i++) narrow[i] = checked((ushort)all[i]);
            file.Write(MemoryMarshal.AsBytes<ushort>(narrow));
        }
    }

    private static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : -1;
}

/// <summary>Contexts of a tokenised text, read from the mapped file when asked for.</summary>
internal sealed class StoredContexts : IReadOnlyList<int[]>
{
    private readonly MemoryMappedViewAccessor? view;
    private readonly int idBytes, sequenceLength;

    public StoredContexts(string tokensFile, int idBytes, int count, int sequenceLength)
    {
        (this.idBytes, this.sequenceLength, Count) = (idBytes, sequenceLength, count);
        if (count == 0) return; // nothing cannot be mapped
        using var file = MemoryMappedFile.CreateFromFile(new FileStream(tokensFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite), null, 0,
            MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        view = file.CreateViewAccessor(0, (long)count * sequenceLength * idBytes, MemoryMappedFileAccess.Read);
    }

    public int Count { get; }

    public int[] this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count);
            long at = (long)index * sequenceLength * idBytes;
            var ids = new int[sequenceLength];
            if (idBytes == sizeof(int)) view!.ReadArray(at, ids, 0, sequenceLength);
            else
            {
                var narrow = new ushort[sequenceLength];
                view!.ReadArray(at, narrow, 0, sequenceLength);
                for (int i = 0; i < sequenceLength; i++) ids[i] = narrow[i];
            }
            return ids;
        }
    }

    public IEnumerator<int[]> GetEnumerator() => Enumerable.Range(0, Count).Select(i => this[i]).GetEnumerator();

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}
