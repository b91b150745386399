using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// The header of a safetensors file, believed only after every check the official implementation makes: 8 bytes of
/// little-endian length, then JSON <c>{name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {..}}</c>.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Bytes before the JSON.</summary>
    public const int LengthBytes = 8;

    private const ulong LongestHeader = 100_000_000;
    /// <summary>The key that is no tensor.</summary>
    public const string MetadataKey = "__metadata__";
    private readonly string path;
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);

    private SafetensorsHeader(string path) => this.path = path;

    private readonly record struct Entry(string Name, ScalarType Type, ulong[] Shape, ulong Begin, ulong End);

    /// <summary>Tensors by name.</summary>
    public Dictionary<string, TensorInfo> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>The free text of the file.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <summary>The JSON's length, from the first bytes of the file.</summary>
    /// <exception cref="InvalidDataException">The length cannot be true.</exception>
    public static int Length(string path, ReadOnlySpan<byte> start, long fileBytes)
    {
        if (start.Length < LengthBytes)
            throw Fault(path, SafetensorsFault.HeaderTooSmall,
                $"it has {fileBytes} bytes; the header's length alone takes {LengthBytes}");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > LongestHeader)
            throw Fault(path, SafetensorsFault.HeaderTooLarge,
                $"its header claims {length} bytes; at most {LongestHeader} are allowed");
        if ((long)length > fileBytes - LengthBytes)
            throw Fault(path, SafetensorsFault.InvalidHeaderLength,
                $"its header claims {length} bytes, the file has {fileBytes}; it may be cut off");
        return (int)length;
    }

    /// <summary>Reads the JSON and checks that the tensors cover the rest of the file exactly.</summary>
    /// <exception cref="InvalidDataException">The header breaks the format; the message names the fault.</exception>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long fileBytes)
    {
        if (!Utf8.IsValid(json)) throw Fault(path, SafetensorsFault.InvalidHeader, "its header is not UTF-8");
        var header = new SafetensorsHeader(path);
        List<Entry> entries;
        try
        {
            entries = header.ReadEntries(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the second: an escaped half of a character
        {
            throw Fault(path, SafetensorsFault.InvalidHeaderDeserialization,
                $"its header is not the JSON expected: {FirstSentence(e.Message)}");
        }
        header.Place(entries, dataStart: LengthBytes + json.Length, fileBytes);
        return header;
    }

    private void Place(List<Entry> entries, long dataStart, long fileBytes)
    {
        entries.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        ulong position = 0;
        foreach (var (name, type, shape, begin, end) in entries)
        {
            if (begin != position || end < begin)
                throw Fault(path, SafetensorsFault.InvalidOffset,
                    $"tensor '{name}' claims bytes {begin} to {end} of the data; it must begin at {position}, without hole or overlap");
            position = end;
            if (!TrySize(shape, (ulong)SafetensorsType.Size(type), out ulong bytes))
                throw Fault(path, SafetensorsFault.ValidationOverflow,
                    $"the size of tensor '{name}', shape [{string.Join(", ", shape)}], is not a 64-bit number");
            if (bytes != end - begin)
                throw Fault(path, SafetensorsFault.TensorInvalidInfo,
                    $"tensor '{name}' is {SafetensorsType.Name(type)} [{string.Join(", ", shape)}], {bytes} bytes, but claims {end - begin}");
            if (!Tensors.TryAdd(name, new(type, Array.ConvertAll(shape, d => (long)d), dataStart + (long)begin, (long)bytes)))
                throw Fault(path, SafetensorsFault.InvalidHeaderDeserialization, $"tensor '{name}' is there twice");
        }
        if (position != (ulong)(fileBytes - dataStart))
            throw Fault(path, SafetensorsFault.MetadataIncompleteBuffer,
                $"its tensors take {position} bytes, but {fileBytes - dataStart} follow the header; it is cut off or was added to");
    }

    private static bool TrySize(ulong[] shape, ulong elementBytes, out ulong bytes)
    {
        UInt128 product = 1;
        bytes = 0;
        foreach (ulong axis in shape.Append(elementBytes))
        {
            product *= axis; // two 64-bit factors fit
            if (product > long.MaxValue || axis > long.MaxValue) return false;
        }
        bytes = (ulong)product;
        return true;
    }

    private List<Entry> ReadEntries(ReadOnlySpan<byte> json)
    {
        var entries = new List<Entry>();
        var reader = new Utf8JsonReader(json);
        Expect(ref reader, JsonTokenType.StartObject, "an object");
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            if (name == MetadataKey) ReadMetadata(ref reader);
            else entries.Add(ReadEntry(ref reader, name));
        }
        if (reader.Read()) throw new JsonException("something follows the object.");
        return entries;
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject, $"{MetadataKey}: an object");
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String, $"{MetadataKey}.{key}: a string");
            metadata[key] = reader.GetString()!;
        }
    }

    private static Entry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        ScalarType? type = null;
        ulong[]? shape = null, offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, $"tensor '{name}': an object");
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            switch (reader.GetString())
            {
                case "dtype":
                    Expect(ref reader, JsonTokenType.String, $"dtype of tensor '{name}': a string");
                    type = SafetensorsType.Parse(reader.GetString()!) ?? throw new JsonException(
                        $"dtype of tensor '{name}' is {reader.GetString()}, and only {SafetensorsType.Names} can be read.");
                    break;
                case "shape": shape = ReadNumbers(ref reader, $"shape of tensor '{name}'"); break;
                case "data_offsets": offsets = ReadNumbers(ref reader, $"data_offsets of tensor '{name}'"); break;
                default: reader.Skip(); break;
            }
        }
        if (type is null || shape is null || offsets is not [ulong begin, ulong end])
            throw new JsonException($"tensor '{name}' lacks a dtype, a shape or two data_offsets.");
        return new(name, type.Value, shape, begin, end);
    }

    private static ulong[] ReadNumbers(ref Utf8JsonReader reader, string what)
    {
        var numbers = new List<ulong>();
        Expect(ref reader, JsonTokenType.StartArray, $"{what}: an array");
        while (Next(ref reader) != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetUInt64(out ulong number))
                throw new JsonException($"{what} may hold whole numbers from 0 only.");
            numbers.Add(number);
        }
        return [.. numbers];
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read()) throw new JsonException("it ends too early.");
        return reader.TokenType;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        if (Next(ref reader) != type) throw new JsonException($"expected {what}.");
    }

    private static string FirstSentence(string message) => message.Split(". ")[0].TrimEnd('.');

    private static InvalidDataException Fault(string path, SafetensorsFault fault, string what) =>
        new($"'{path}' cannot be read as safetensors ({fault}): {what}.");
}
