using System.IO.Compression;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>NumPy's files: <c>.npy</c> holds one array, <c>.npz</c> is a zip archive of them. Arrays of Python objects are not read.</summary>
public sealed class NumpyFile : IDisposable
{
    private const string What = "a NumPy .npz archive", Extension = ".npy";
    private readonly ZipArchive archive;
    private readonly long archiveBytes;
    private readonly Dictionary<string, ZipArchiveEntry> entries;

    private NumpyFile(string path, ZipArchive archive)
    {
        (Path, this.archive, archiveBytes) = (path, archive, new FileInfo(path).Length);
        entries = new(StringComparer.Ordinal);
        foreach (var entry in archive.Entries.Where(e => e.FullName.EndsWith(Extension, StringComparison.Ordinal)))
            if (!entries.TryAdd(entry.FullName[..^Extension.Length], entry))
                throw new InvalidDataException($"'{path}' has the array {entry.FullName} twice.");
    }

    /// <summary>The file's path as given.</summary>
    public string Path { get; }

    /// <summary>The arrays' names, without <c>.npy</c>.</summary>
    public IReadOnlyCollection<string> Names => entries.Keys;

    /// <summary>Opens a <c>.npz</c>; arrays are read when asked for.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a zip archive, or cut off.</exception>
    public static NumpyFile Open(string path)
    {
        var archive = ZipContent.Open(path, What);
        try
        {
            return new NumpyFile(path, archive);
        }
        catch
        {
            archive.Dispose();
            throw;
        }
    }

    /// <summary>An array's type and shape, without its elements.</summary>
    /// <exception cref="InvalidDataException">There is no such array, or it is broken.</exception>
    public (ScalarType Type, long[] Shape) Info(string name)
    {
        var entry = Entry(name);
        return Checked($"{Path}', array '{name}", entry, entry.Length, (header, _) => (header.Type, header.Shape));
    }

    /// <summary>Reads one array; it is the caller's and outlives the file.</summary>
    /// <param name="name">Its name, without <c>.npy</c>.</param>
    /// <param name="type">The type wanted; null keeps the stored one.</param>
    /// <returns>A contiguous tensor on the CPU.</returns>
    /// <exception cref="InvalidDataException">There is no such array, it is broken or cut off, or its type has no tensor.</exception>
    public Tensor Read(string name, ScalarType? type = null)
    {
        var entry = Entry(name);
        return Checked($"{Path}', array '{name}", entry, entry.Length, (header, stream) => Elements(header, stream, type));
    }

    /// <summary>Reads a <c>.npy</c>.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a NumPy array, is cut off, or its type has no tensor.</exception>
    public static Tensor ReadArray(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"'{path}' does not exist; expected a NumPy array.", path);
        using var file = File.OpenRead(path);
        return Read(path, file, file.Length, (header, stream) => Elements(header, stream, null));
    }

    /// <summary>Writes a <c>.npz</c> as <c>numpy.savez</c> does; the same tensors give the same bytes.</summary>
    /// <param name="path">The file; its folder is made where missing. Written whole or not at all.</param>
    /// <param name="arrays">Names, in this order, and tensors, which stay the caller's.</param>
    /// <exception cref="ArgumentException">A name is there twice, or NumPy has no such type.</exception>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> arrays) => AtomicFile.Write(path, stream =>
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, tensor) in arrays)
        {
            if (!names.Add(name)) throw new ArgumentException($"array '{name}' is given twice; names must differ.", nameof(arrays));
            ZipContent.Add(archive, name + Extension, s => WriteArray(s, tensor));
        }
    });

    /// <summary>Writes a <c>.npy</c>, whole or not at all.</summary>
    /// <exception cref="ArgumentException">NumPy has no such type.</exception>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void WriteArray(string path, Tensor tensor) => AtomicFile.Write(path, stream => WriteArray(stream, tensor));

    /// <summary>Closes the file; tensors read from it stay valid.</summary>
    public void Dispose() => archive.Dispose();

    private ZipArchiveEntry Entry(string name) => entries.GetValueOrDefault(name)
        ?? throw new InvalidDataException($"'{Path}' has no array '{name}'; it holds {(entries.Count == 0 ? "none at all" : string.Join(", ", entries.Keys.Take(12)))}.");

    private T Checked<T>(string what, ZipArchiveEntry entry, long bytes, Func<NumpyHeader, Stream, T> then)
    {
        if (!ZipContent.IsPlausible(entry, archiveBytes))
            throw new InvalidDataException($"'{what}' claims {bytes} bytes, more than a file of {archiveBytes} bytes can hold.");
        using var stream = entry.Open();
        return Read(what, stream, bytes, then);
    }

    private static T Read<T>(string what, Stream stream, long bytes, Func<NumpyHeader, Stream, T> then)
    {
        try
        {
            var header = NumpyHeader.Read(stream, out long headerBytes);
            long data = bytes - headerBytes;
            int size = SafetensorsType.Size(header.Type);
            if (data / size != header.Elements || data % size != 0)
                throw new FormatException($"its shape [{string.Join(", ", header.Shape)}] of {header.Type} asks for another number of bytes than the {data} it has");
            return then(header, stream);
        }
        catch (Exception e) when (e is FormatException or EndOfStreamException or InvalidDataException)
        {
            throw new InvalidDataException($"'{what}' cannot be read: {(e is FormatException ? e.Message : "it is cut off or damaged")}.", e);
        }
    }

    private static Tensor Elements(NumpyHeader header, Stream stream, ScalarType? type)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = ZipContent.ReadElements(stream, header.Type, header.Elements);
        var array = header.IsFortranOrder
            ? flat.view([.. header.Shape.Reverse()]).permute([.. Enumerable.Range(0, header.Shape.Length).Reverse().Select(i => (long)i)])
            : flat.view(header.Shape);
        return array.to(type ?? header.Type).contiguous().MoveToOuterDisposeScope();
    }

    private static void WriteArray(Stream stream, Tensor tensor)
    {
        stream.Write(NumpyHeader.Bytes(tensor));
        ZipContent.WriteElements(stream, tensor);
    }
}
