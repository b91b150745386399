using System.Runtime.InteropServices;
using System.Text;
using Parsimony.Files;

namespace Parsimony.Exploration.Index;

/// <summary>A few numbers of every latent, one column for each, outside the garbage collector. Columns begin as zeros, and pages never touched cost nothing.</summary>
internal abstract unsafe class LatentTable(int latents) : IDisposable
{
    private readonly List<(string Name, nint Start, long Bytes)> columns = [];

    /// <summary>Number of latents.</summary>
    public int Latents { get; } = latents;

    /// <summary>A new column.</summary>
    /// <param name="name">What it is saved under.</param>
    /// <param name="perLatent">Elements of a latent.</param>
    protected T* Column<T>(string name, long perLatent = 1)
        where T : unmanaged
    {
        long bytes = Latents * perLatent * sizeof(T);
        var start = (T*)NativeMemory.AllocZeroed((nuint)Math.Max(1, bytes));
        columns.Add((name, (nint)start, bytes));
        return start;
    }

    /// <summary>Bytes of all columns.</summary>
    public long Bytes => columns.Sum(c => c.Bytes);

    /// <summary>Writes all columns to a file, whole or not at all, behind some words on where they stand.</summary>
    public void Save<T>(string path, T words) => AtomicFile.Write(path, stream =>
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Json.WriteLine(words));
        foreach (var (name, start, bytes) in columns)
        {
            writer.Write(name);
            writer.Write(bytes);
            writer.Flush();
            Each(start, bytes, part => stream.Write(part));
        }
    });

    /// <summary>The words of a file that <see cref="Save"/> wrote, and its columns where the words are as wanted.</summary>
    /// <param name="path">The file.</param>
    /// <param name="isWanted">Whether to restore the columns.</param>
    /// <returns>The words; null: the file is broken.</returns>
    public T? Restore<T>(string path, Func<T, bool> isWanted)
        where T : class
    {
        using var stream = File.OpenRead(path);
        using var reader = new BinaryReader(stream);
        try
        {
            var words = Json.Parse<T>(reader.ReadString(), path);
            if (!isWanted(words)) return words;
            foreach (var (name, start, bytes) in columns)
            {
                if (reader.ReadString() != name || reader.ReadInt64() != bytes) return null;
                Each(start, bytes, stream.ReadExactly);
            }
            return words;
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException or FormatException)
        {
            return null; // begun anew
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, start, _) in columns) NativeMemory.Free((void*)start);
        columns.Clear();
    }

    private delegate void Part(Span<byte> bytes);

    private static void Each(nint start, long bytes, Part part)
    {
        const int most = 1 << 24;
        for (long at = 0; at < bytes; at += most) part(new Span<byte>((byte*)start + at, (int)Math.Min(most, bytes - at)));
    }
}
