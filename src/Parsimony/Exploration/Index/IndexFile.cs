using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Text;
using Parsimony.Files;

namespace Parsimony.Exploration.Index;

/// <summary>
/// The files of an index: eight bytes that say which, the layout's version and the header's length (4 bytes each), the header as JSON; from byte <see cref="HeaderBytes"/> on the sections, each at a
/// multiple of 64. Little-endian.
/// </summary>
internal sealed unsafe class IndexFile : IDisposable
{
    /// <summary>Room for the header.</summary>
    public const int HeaderBytes = 1 << 14;

    private const int Prelude = 16, Alignment = 64;
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly byte* start;

    private IndexFile(string path, MemoryMappedFile file, IndexHeader header)
    {
        (Path, this.file, Header) = (path, file, header);
        view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    /// <summary>Which file it is.</summary>
    public string Path { get; }

    /// <summary>What it says of itself.</summary>
    public IndexHeader Header { get; }

    /// <summary>Writes a file, whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="magic">Eight letters that say what file it is.</param>
    /// <param name="header">Its header, without the sections.</param>
    /// <param name="sections">Names, lengths, and who writes them.</param>
    /// <returns>The header with the sections.</returns>
    public static IndexHeader Write(string path, string magic, IndexHeader header, IReadOnlyList<(string Name, long Bytes, Action<Stream> Write)> sections)
    {
        var places = new List<IndexSection>();
        long end = HeaderBytes;
        foreach (var (name, bytes, _) in sections)
        {
            places.Add(new(name, end, bytes));
            end += bytes + (Alignment - 1) & -Alignment;
        }
        header = header with { Sections = places, Bytes = end };
        byte[] json = Encoding.UTF8.GetBytes(Json.WriteLine(header));
        if (json.Length > HeaderBytes - Prelude) throw new InvalidOperationException($"the header of '{path}' takes {json.Length} bytes; there is room for {HeaderBytes - Prelude}.");
        AtomicFile.Write(path, stream =>
        {
            var prelude = new byte[HeaderBytes];
            Encoding.ASCII.GetBytes(magic, prelude);
            BinaryPrimitives.WriteInt32LittleEndian(prelude.AsSpan(8), header.Version);
            BinaryPrimitives.WriteInt32LittleEndian(prelude.AsSpan(12), json.Length);
            json.CopyTo(prelude, Prelude);
            stream.Write(prelude);
            for (int i = 0; i < places.Count; i++)
            {
                sections[i].Write(stream);
                if (stream.Position != places[i].Offset + places[i].Bytes) throw new InvalidOperationException($"the section {places[i].Name} was not written as long as planned.");
                stream.Write(new byte[(i + 1 < places.Count ? places[i + 1].Offset : end) - stream.Position]);
            }
        });
        return header;
    }

    /// <summary>Maps a file.</summary>
    /// <param name="path">The file; it is there.</param>
    /// <param name="magic">What it must begin with.</param>
    /// <exception cref="InvalidDataException">Another kind of file, another version, or not all of one.</exception>
    public static IndexFile Open(string path, string magic)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            var header = ReadHeader(stream, path, magic);
            return new IndexFile(path, MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false), header);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>A section as elements.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="count">Elements it must hold; null: as many as it does.</param>
    /// <exception cref="InvalidDataException">There is none, or it has another length.</exception>
    public MappedElements<T> Section<T>(string name, long? count = null)
        where T : unmanaged
    {
        var section = Header.Sections.FirstOrDefault(s => s.Name == name) ?? throw new InvalidDataException($"'{Path}' has no section {name}; it is damaged. {Again}");
        if (section.Bytes % sizeof(T) != 0 || count is { } n && section.Bytes != n * sizeof(T)) throw new InvalidDataException(
            $"the section {name} of '{Path}' has {section.Bytes} bytes; its header speaks of {count} times {sizeof(T)}. It is damaged. {Again}");
        return new((T*)(start + section.Offset), section.Bytes / sizeof(T));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }

    /// <summary>What to do about a file that is no good.</summary>
    public const string Again = "Delete the folder and make the index again with 'parsimony index'.";

    private static IndexHeader ReadHeader(FileStream stream, string path, string magic)
    {
        var prelude = new byte[HeaderBytes];
        int read = stream.ReadAtLeast(prelude, HeaderBytes, throwOnEndOfStream: false);
        if (read < 8 || !prelude.AsSpan(0, 8).SequenceEqual(Encoding.ASCII.GetBytes(magic))) throw new InvalidDataException($"'{path}' is not a part of a feature index: it does not begin with {magic}. {Again}");
        int version = BinaryPrimitives.ReadInt32LittleEndian(prelude.AsSpan(8)), length = BinaryPrimitives.ReadInt32LittleEndian(prelude.AsSpan(12));
        if (version != IndexHeader.CurrentVersion) throw new InvalidDataException($"'{path}' is of version {version}; this program reads version {IndexHeader.CurrentVersion}. {Again}");
        if (read < HeaderBytes) throw Truncated(path, stream.Length);
        if (length is < 2 or > HeaderBytes - Prelude) throw new InvalidDataException($"the header of '{path}' is damaged. {Again}");
        var header = Json.Parse<IndexHeader>(Encoding.UTF8.GetString(prelude, Prelude, length), path);
        if (stream.Length != header.Bytes) throw Truncated(path, stream.Length, header.Bytes);
        if (header.Sections.Any(s => s.Offset < HeaderBytes || s.Offset % Alignment != 0 || s.Bytes < 0 || s.Offset + s.Bytes > header.Bytes)) throw new InvalidDataException(
            $"'{path}' names a section outside of itself; it is damaged. {Again}");
        return header;
    }

    private static InvalidDataException Truncated(string path, long has, long? should = null) => new(
        $"'{path}' has {has} bytes{(should is { } bytes ? $" of {bytes}" : "")}; it was cut off, or only half copied. {Again}");
}

/// <summary>A run of elements in a mapped file, as long as one likes.</summary>
/// <param name="first">The first.</param>
/// <param name="length">How many.</param>
internal readonly unsafe struct MappedElements<T>(T* first, long length)
    where T : unmanaged
{
    /// <summary>How many.</summary>
    public long Length { get; } = length;

    /// <summary>Some of them.</summary>
    public ReadOnlySpan<T> Slice(long at, long count) => at >= 0 && count is >= 0 and <= int.MaxValue && at <= Length - count
        ? new(first + at, (int)count) : throw new InvalidDataException($"the index points to {count} element(s) at {at} of {Length}; it is damaged. {IndexFile.Again}");

    /// <summary>All of them, where they are not more than a span takes.</summary>
    public ReadOnlySpan<T> All => new(first, checked((int)Length));

    /// <summary>One of them.</summary>
    public T this[long at] => (ulong)at < (ulong)Length ? first[at] : throw new InvalidDataException($"the index points to element {at} of {Length}; it is damaged. {IndexFile.Again}");
}
