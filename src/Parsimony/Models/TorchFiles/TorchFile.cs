using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>
/// A file that <c>torch.save</c> wrote (the zip layout of torch 1.6 and later), read as data only: nothing in it is ever imported, constructed or run. What it holds
/// is given flat, keys of dictionaries inside dictionaries and places in lists joined by dots: <c>model_state_dict.encoder.weight</c>.
/// </summary>
public sealed class TorchFile : IDisposable
{
    private const string What = "a file of torch.save";
    private const long LongestPickle = 8 << 20; // the listing of thousands of tensors is well under one
    private const int DeepestNesting = 64, MostLeaves = 1_000_000;
    private readonly ZipArchive archive;
    private readonly long archiveBytes;
    private readonly string folder; // of the archive, such as "archive/"
    private readonly Dictionary<string, TorchTensor> tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, object?> values = new(StringComparer.Ordinal);
    private int leaves;

    private TorchFile(string path, ZipArchive archive)
    {
        (Path, this.archive, archiveBytes) = (path, archive, new FileInfo(path).Length);
        var pickle = archive.Entries.FirstOrDefault(e => e.FullName is "data.pkl" || e.FullName.EndsWith("/data.pkl", StringComparison.Ordinal))
            ?? throw Fault("it is a zip archive without a data.pkl");
        folder = pickle.FullName[..^"data.pkl".Length];
        if (archive.GetEntry(folder + "byteorder") is { } order && Text(order) is var name and not "little")
            throw Fault($"its byte order is '{name}'; only 'little' is read");
        try
        {
            Flatten("", PickleMachine.Read(Bytes(pickle)), 0);
        }
        catch (FormatException e)
        {
            throw Fault(e.Message, e);
        }
        foreach (var (tensor, info) in tensors)
            if (info.Fault() is { } fault) throw Fault($"tensor '{tensor}': {fault}");
    }

    /// <summary>The file's path as given.</summary>
    public string Path { get; }

    /// <summary>Its tensors, by name.</summary>
    public IReadOnlyDictionary<string, TorchTensor> Tensors => tensors;

    /// <summary>All else it holds, by name: null, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/> or <see cref="string"/>.</summary>
    public IReadOnlyDictionary<string, object?> Values => values;

    /// <summary>Opens a file and reads what it lists; tensors are read when asked for.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not such a file, is cut off, or holds more than plain tensors, numbers, texts, lists and
    /// dictionaries; the message says what.</exception>
    public static TorchFile Open(string path)
    {
        if (File.Exists(path)) RefuseOldLayout(path);
        var archive = ZipContent.Open(path, What);
        try
        {
            return new TorchFile(path, archive);
        }
        catch
        {
            archive.Dispose();
            throw;
        }
    }

    /// <summary>Reads one tensor; it is the caller's and outlives the file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The type wanted; null keeps the stored one.</param>
    /// <returns>A contiguous tensor on the CPU that needs no gradient, whatever the strides in the file.</returns>
    /// <exception cref="InvalidDataException">There is no such tensor, or its data is missing or of another length than its storage.</exception>
    public Tensor Read(string name, ScalarType? type = null)
    {
        if (!tensors.TryGetValue(name, out var info))
            throw new InvalidDataException($"'{Path}' has no tensor '{name}'; it holds {string.Join(", ", tensors.Keys.Take(12))}.");
        var storage = info.Storage;
        var entry = archive.GetEntry($"{folder}data/{storage.Key}") ?? throw Fault($"tensor '{name}' lies in data/{storage.Key}, which is not there");
        if (entry.Length / SafetensorsType.Size(storage.Type) != storage.Elements || entry.Length % SafetensorsType.Size(storage.Type) != 0)
            throw Fault($"tensor '{name}' says that data/{storage.Key} has {storage.Elements} elements of type {storage.Type}, but it has {entry.Length} bytes");
        Expect(entry);
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            using var stream = entry.Open();
            var flat = ZipContent.ReadElements(stream, storage.Type, storage.Elements);
            var view = flat.as_strided([.. info.Shape], info.Stride, info.Offset);
            return view.to(type ?? info.Type).contiguous().clone().MoveToOuterDisposeScope();
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw Fault($"data/{storage.Key} is cut off or damaged", e);
        }
    }

    /// <summary>Writes a state dictionary as <c>torch.save</c> does: an OrderedDict of plain tensors, protocol 2.</summary>
    /// <param name="path">The file; its folder is made where missing. Written whole or not at all; the same tensors give the same bytes.</param>
    /// <param name="state">Names, in this order, and tensors, which stay the caller's; besides tensors <see cref="long"/>, <see cref="string"/> and
    /// dictionaries of them.</param>
    /// <exception cref="ArgumentException">A name is there twice, or a value is of another kind.</exception>
    /// <exception cref="IOException">The disk is full, or the file cannot be written; nothing is left behind.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, object>> state) => TorchWriter.Write(path, state);

    /// <summary>Closes the file; tensors read from it stay valid.</summary>
    public void Dispose() => archive.Dispose();

    private void Flatten(string name, object? value, int depth)
    {
        if (depth > DeepestNesting) throw new FormatException($"its dictionaries and lists are nested deeper than {DeepestNesting}");
        if (++leaves > MostLeaves) throw new FormatException($"it holds more than {MostLeaves} things");
        string Inner(object key) => name.Length == 0 ? $"{key}" : $"{name}.{key}";
        switch (value)
        {
            case OrderedDictionary<object, object?> dictionary:
                foreach (var (key, item) in dictionary) Flatten(Inner(key), item, depth + 1);
                break;
            case List<object?> list:
                for (int i = 0; i < list.Count; i++) Flatten(Inner(i), list[i], depth + 1);
                break;
            case object?[] tuple:
                for (int i = 0; i < tuple.Length; i++) Flatten(Inner(i), tuple[i], depth + 1);
                break;
            case null or bool or long or double or string when !tensors.ContainsKey(name) && values.TryAdd(name, value):
            case TorchTensor tensor when !values.ContainsKey(name) && tensors.TryAdd(name, tensor):
                break;
            default:
                throw new FormatException(value is null or bool or long or double or string or TorchTensor
                    ? $"the name '{name}' is there twice" : $"'{name}' is neither a tensor nor a number, text, list or dictionary");
        }
    }

    private byte[] Bytes(ZipArchiveEntry entry)
    {
        if (entry.Length > LongestPickle) throw Fault($"its {entry.Name} claims {entry.Length} bytes; at most {LongestPickle} are read");
        Expect(entry);
        byte[] bytes = new byte[entry.Length];
        try
        {
            using var stream = entry.Open();
            stream.ReadExactly(bytes);
        }
        catch (Exception e) when (e is EndOfStreamException or InvalidDataException)
        {
            throw Fault($"{entry.Name} is cut off or damaged", e);
        }
        return bytes;
    }

    private string Text(ZipArchiveEntry entry) => Encoding.ASCII.GetString(Bytes(entry)).Trim();

    private void Expect(ZipArchiveEntry entry)
    {
        if (!ZipContent.IsPlausible(entry, archiveBytes))
            throw Fault($"its {entry.FullName} claims {entry.Length} bytes, more than a file of {archiveBytes} bytes can hold");
    }

    private static void RefuseOldLayout(string path)
    {
        Span<byte> start = stackalloc byte[2];
        using var stream = File.OpenRead(path);
        if (stream.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2 && start[0] == 0x80 && start[1] <= 5)
            throw new InvalidDataException($"'{path}' is a bare pickle, as torch before 1.6 wrote them; only the zip layout is read. "
                + "Load it where it comes from and save it again with torch.save.");
    }

    private InvalidDataException Fault(string what, Exception? inner = null) => new($"'{Path}' cannot be read as {What}: {what}.", inner);
}
