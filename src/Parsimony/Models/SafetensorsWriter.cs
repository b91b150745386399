using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Parsimony.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>The writing half of <see cref="SafetensorsFile"/>.</summary>
internal static class SafetensorsWriter
{
    private const long ElementsAtATime = 1 << 24; // a span holds less than 2 GiB
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        // Widest first keeps every tensor aligned to its element without padding, as the header is a multiple of 8.
        var ordered = tensors.OrderByDescending(t => SafetensorsType.Size(t.Type)).ThenBy(t => t.Name, StringComparer.Ordinal).ToArray();
        byte[] header = Header(ordered, metadata);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[SafetensorsHeader.LengthBytes];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (var tensor in ordered) WriteData(stream, tensor);
        });
    }

    private static byte[] Header(TensorToWrite[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, Relaxed))
        {
            var names = new HashSet<string>(StringComparer.Ordinal) { SafetensorsHeader.MetadataKey };
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(SafetensorsHeader.MetadataKey);
                foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal)) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var (name, type, shape, _) in tensors)
            {
                if (!names.Add(name))
                    throw new ArgumentException($"tensor '{name}' is given twice or is the reserved name; names must differ.", nameof(tensors));
                json.WriteStartObject(name);
                json.WriteString("dtype", SafetensorsType.Name(type));
                json.WriteStartArray("shape");
                foreach (long axis in shape) json.WriteNumberValue(axis);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += shape.Aggregate(1L, (a, b) => a * b) * SafetensorsType.Size(type));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0) buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static void WriteData(Stream stream, TensorToWrite promised)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var tensor = promised.Make();
        if (tensor.dtype != promised.Type || !tensor.shape.AsSpan().SequenceEqual(promised.Shape)) throw new InvalidOperationException(
            $"tensor '{promised.Name}' came as {tensor.dtype} [{string.Join(", ", tensor.shape)}]; promised were {promised.Type} [{string.Join(", ", promised.Shape)}].");
        var flat = tensor.detach().cpu().contiguous().view(-1);
        for (long i = 0; i < flat.numel(); i += ElementsAtATime)
        {
            using var part = flat.narrow(0, i, Math.Min(ElementsAtATime, flat.numel() - i));
            stream.Write(part.bytes);
        }
    }
}
