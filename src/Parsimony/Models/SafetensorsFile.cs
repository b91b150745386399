using System.IO.MemoryMappedFiles;
using Parsimony.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// A safetensors file, read by memory mapping: opening costs the header only, each tensor is copied out when asked for.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private const long ElementsAtATime = 1 << 24; // a span holds less than 2 GiB, and a conversion needs a second copy
    private readonly MemoryMappedFile mapping;
    private readonly MemoryMappedViewAccessor view;
    private readonly SafetensorsHeader header;
    private byte* data; // of the whole file; null once disposed

    private SafetensorsFile(string path, FileStream stream)
    {
        Path = path;
        Span<byte> start = stackalloc byte[SafetensorsHeader.LengthBytes];
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        int length = SafetensorsHeader.Length(path, start[..read], stream.Length);
        mapping = MemoryMappedFile.CreateFromFile(
            stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        view = mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
        try
        {
            header = SafetensorsHeader.Parse(path, new ReadOnlySpan<byte>(data + start.Length, length), stream.Length);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file's path as given.</summary>
    public string Path { get; }

    /// <summary>What the file holds, by name.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => header.Tensors;

    /// <summary>Free text by key, such as <c>format: pt</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Maps a file and checks its header, as strictly as the official implementation, before anything is allocated.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file breaks the format; the message says where.</exception>
    public static SafetensorsFile Open(string path)
    {
        if (!File.Exists(path)) throw new FileNotFoundException($"'{path}' does not exist; expected a .safetensors file.", path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            return new SafetensorsFile(path, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of that name.</summary>
    public bool Contains(string name) => header.Tensors.ContainsKey(name);

    /// <summary>Copies one tensor out of the file; the copy is the caller's and outlives the file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The type wanted; null keeps the stored one. float16 and bfloat16 become float32 exactly.</param>
    /// <returns>A contiguous tensor on the CPU that needs no gradient.</returns>
    /// <exception cref="InvalidDataException">The file holds no such tensor.</exception>
    public Tensor Read(string name, ScalarType? type = null)
    {
        using var scope = NewDisposeScope();
        var info = Info(name);
        var result = empty(info.Shape, type ?? info.Type, CPU);
        Fill(result, info, 0);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>A tensor as it lies in the file: a view of the mapped file, which costs nothing until it is read, where its place allows it, else a copy. Not to be changed; valid while
    /// the file is open.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="InvalidDataException">The file holds no such tensor.</exception>
    public Tensor View(string name)
    {
        var info = Info(name);
        return info.Offset % SafetensorsType.Size(info.Type) == 0 && info.Bytes > 0 ? LibtorchAbi.Over(data + info.Offset, info.Type, info.Shape) : Read(name);
    }

    /// <summary>Says that a tensor will be read soon, or that its pages may go until it is read again.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isNeeded">Which of the two.</param>
    /// <exception cref="InvalidDataException">The file holds no such tensor.</exception>
    public void Advise(string name, bool isNeeded)
    {
        var info = Info(name);
        if (isNeeded) MappedPages.Fetch(data + info.Offset, info.Bytes);
        else MappedPages.Release(data + info.Offset, info.Bytes);
    }

    /// <summary>Copies some rows of a tensor, entries of its first axis, into a tensor that is there already.</summary>
    /// <param name="name">The stored tensor's name.</param>
    /// <param name="first">The first row wanted, 0-based.</param>
    /// <param name="into">Contiguous, of any type the stored one converts to; its first axis says how many rows.</param>
    /// <exception cref="InvalidDataException">The file holds no such tensor, or not those rows, or rows of another shape.</exception>
    public void ReadRows(string name, long first, Tensor into)
    {
        var info = Info(name);
        long rowElements = info.Shape.Skip(1).Aggregate(1L, (a, b) => a * b);
        if (!into.shape.AsSpan(1).SequenceEqual(info.Shape.AsSpan(1)) || first < 0 || first + into.shape[0] > info.Shape[0])
            throw new InvalidDataException($"'{name}' in '{Path}' has shape [{string.Join(", ", info.Shape)}]; "
                + $"asked for rows {first} to {first + into.shape[0] - 1} of shape [{string.Join(", ", into.shape.Skip(1))}].");
        Fill(into, info, first * rowElements);
    }

    /// <summary>Fills a contiguous tensor with as many stored elements, from the given one on.</summary>
    private void Fill(Tensor result, TensorInfo info, long firstElement)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var flat = result.view(-1);
        long elementBytes = SafetensorsType.Size(info.Type), elements = flat.shape[0];
        byte* from = data + info.Offset + firstElement * elementBytes;
        for (long i = 0; i < elements; i += ElementsAtATime)
        {
            long count = Math.Min(ElementsAtATime, elements - i);
            using var part = flat.narrow(0, i, count);
            var source = new ReadOnlySpan<byte>(from + i * elementBytes, (int)(count * elementBytes));
            if (result.dtype == info.Type) source.CopyTo(part.bytes);
            else
            {
                using var stored = empty([count], info.Type, CPU);
                source.CopyTo(stored.bytes);
                _ = part.copy_(stored);
            }
            if (count == ElementsAtATime) MappedPages.Release(from + i * elementBytes, source.Length); // what was copied need not be in memory twice
        }
    }

    private TensorInfo Info(string name)
    {
        ObjectDisposedException.ThrowIf(data is null, this);
        return header.Tensors.TryGetValue(name, out var info) ? info
            : throw new InvalidDataException($"'{Path}' has no tensor '{name}'; it holds {Some(header.Tensors.Keys)}.");
    }

    /// <summary>Writes tensors to a new file in the library's layout: widest type first, then by name; whole or not at all.</summary>
    /// <param name="path">The file; its folder is made where missing.</param>
    /// <param name="tensors">Names and tensors of any device, shape and stride; they stay the caller's.</param>
    /// <param name="metadata">Free text for the header.</param>
    /// <exception cref="ArgumentException">A name is there twice, or a type cannot be stored.</exception>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void Write(
        string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        WriteEach(path, tensors.Select(t => new TensorToWrite(t.Key, t.Value.dtype, t.Value.shape, () => t.Value.alias())), metadata);

    /// <summary>The same for tensors that are made one at a time, when their turn comes: the file may be larger than the memory.</summary>
    /// <param name="path">The file; its folder is made where missing.</param>
    /// <param name="tensors">What they are, and how each is made.</param>
    /// <param name="metadata">Free text for the header.</param>
    /// <exception cref="ArgumentException">As for <see cref="Write"/>.</exception>
    /// <exception cref="InvalidOperationException">A tensor was made in another shape or type than promised; nothing is left behind.</exception>
    /// <exception cref="IOException">As for <see cref="Write"/>.</exception>
    public static void WriteEach(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        SafetensorsWriter.Write(path, tensors, metadata);

    /// <summary>Closes the mapping; tensors read from it stay valid.</summary>
    public void Dispose()
    {
        if (data is null) return;
        data = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        mapping.Dispose();
    }

    private static string Some(Dictionary<string, TensorInfo>.KeyCollection names) => names.Count == 0 ? "no tensor at all"
        : string.Join(", ", names.Order(StringComparer.Ordinal).Take(6)) + (names.Count > 6 ? $" and {names.Count - 6} more" : "");
}
