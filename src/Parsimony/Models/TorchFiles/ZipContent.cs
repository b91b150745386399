using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>What torch and NumPy files share: a zip archive whose claims are checked before memory is taken, and tensors as raw bytes in it.</summary>
internal static class ZipContent
{
    private const long ElementsAtATime = 1 << 24; // a span holds less than 2 GiB
    private const long MostDeflateShrinks = 1032; // the format cannot do better
    private static readonly DateTimeOffset NoDate = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero); // the same tensors, the same bytes

    /// <summary>Opens a zip archive for reading.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not a zip archive, or cut off.</exception>
    public static ZipArchive Open(string path, string what)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"'{path}' does not exist; expected {what}.", path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            var archive = new ZipArchive(stream, ZipArchiveMode.Read);
            _ = archive.Entries; // reads the directory now
            return archive;
        }
        catch (Exception e) when (e is InvalidDataException or IOException or ArgumentException)
        {
            stream.Dispose();
            throw new InvalidDataException($"'{path}' is not {what}, or it is cut off: it is no whole zip archive.", e);
        }
    }

    /// <summary>Whether an entry may be as long as it says: no longer than its bytes in the archive can unfold to.</summary>
    public static bool IsPlausible(ZipArchiveEntry entry, long archiveBytes) =>
        entry.CompressedLength <= archiveBytes && entry.Length <= entry.CompressedLength * MostDeflateShrinks;

    /// <summary>Reads raw little-endian elements from a stream into a new tensor with one axis.</summary>
    /// <exception cref="EndOfStreamException">The stream is shorter.</exception>
    public static Tensor ReadElements(Stream stream, ScalarType type, long elements)
    {
        using var scope = NewDisposeScope();
        var flat = empty([elements], type, CPU);
        for (long i = 0; i < elements; i += ElementsAtATime)
        {
            using var part = flat.narrow(0, i, Math.Min(ElementsAtATime, elements - i));
            stream.ReadExactly(part.bytes);
        }
        return flat.MoveToOuterDisposeScope();
    }

    /// <summary>Writes a tensor's elements in order of its axes.</summary>
    public static void WriteElements(Stream stream, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        var flat = tensor.detach().cpu().contiguous().view(-1);
        for (long i = 0; i < flat.numel(); i += ElementsAtATime)
        {
            using var part = flat.narrow(0, i, Math.Min(ElementsAtATime, flat.numel() - i));
            stream.Write(part.bytes);
        }
    }

    /// <summary>Adds an entry, uncompressed and without a date.</summary>
    public static void Add(ZipArchive archive, string name, Action<Stream> write)
    {
        var entry = archive.CreateEntry(name, CompressionLevel.NoCompression);
        entry.LastWriteTime = NoDate;
        using var stream = entry.Open();
        write(stream);
    }
}
