using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Parsimony.Files;
using static TorchSharp.torch;

namespace Parsimony.Models.TorchFiles;

/// <summary>The writing half of <see cref="TorchFile"/>.</summary>
internal sealed class TorchWriter
{
    private readonly ArrayBufferWriter<byte> pickle = new();
    private readonly List<Tensor> storages = [];

    public static void Write(string path, IEnumerable<KeyValuePair<string, object>> state)
    {
        var writer = new TorchWriter();
        writer.Put(0x80, 2);
        writer.Dictionary(state);
        writer.Put((byte)'.');
        AtomicFile.Write(path, stream =>
        {
            using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
            ZipContent.Add(archive, "archive/data.pkl", s => s.Write(writer.pickle.WrittenSpan));
            ZipContent.Add(archive, "archive/byteorder", s => s.Write("little"u8));
            for (int i = 0; i < writer.storages.Count; i++)
            {
                var tensor = writer.storages[i];
                ZipContent.Add(archive, $"archive/data/{i}", s => ZipContent.WriteElements(s, tensor));
            }
            ZipContent.Add(archive, "archive/version", s => s.Write("3\n"u8));
        });
    }

    // collections.OrderedDict(), then its items
    private void Dictionary(IEnumerable<KeyValuePair<string, object>> items)
    {
        EmptyOrderedDict();
        Put((byte)'(');
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, value) in items)
        {
            if (!names.Add(name)) throw new ArgumentException($"'{name}' is given twice; names must differ.", nameof(items));
            Text(name);
            switch (value)
            {
                case Tensor tensor: Rebuild(tensor); break;
                case long number: Number(number); break;
                case string text: Text(text); break;
                case IEnumerable<KeyValuePair<string, object>> inner: Dictionary(inner); break;
                default: throw new ArgumentException($"'{name}' is a {value.GetType().Name}; tensors, long, string and dictionaries can be stored.", nameof(items));
            }
        }
        Put((byte)'u');
    }

    // torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), the storage contiguous
    private void Rebuild(Tensor tensor)
    {
        string storage = TorchGlobals.StorageOf(tensor.dtype);
        Global("torch._utils", "_rebuild_tensor_v2");
        Put((byte)'(', (byte)'(');
        Text("storage");
        Global("torch", storage);
        Text($"{storages.Count}");
        Text("cpu");
        Number(tensor.numel());
        Put((byte)'t', (byte)'Q');
        Number(0);
        Numbers(tensor.shape);
        long[] strides = new long[tensor.shape.Length];
        for (long step = 1, i = strides.Length - 1; i >= 0; i--) (strides[i], step) = (step, step * Math.Max(tensor.shape[i], 1));
        Numbers(strides);
        Put(0x89);
        EmptyOrderedDict();
        Put((byte)'t', (byte)'R');
        storages.Add(tensor);
    }

    private void EmptyOrderedDict()
    {
        Global("collections", "OrderedDict");
        Put((byte)')', (byte)'R');
    }

    private void Numbers(long[] numbers)
    {
        Put((byte)'(');
        foreach (long number in numbers) Number(number);
        Put((byte)'t');
    }

    private void Number(long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        if (number is >= int.MinValue and <= int.MaxValue)
        {
            Put((byte)'J');
            BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)number);
            pickle.Write(bytes[..4]);
            return;
        }
        Put(0x8a, 8);
        BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
        pickle.Write(bytes);
    }

    private void Text(string text)
    {
        Span<byte> length = stackalloc byte[4];
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Put((byte)'X');
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        pickle.Write(length);
        pickle.Write(bytes);
    }

    private void Global(string module, string name)
    {
        Put((byte)'c');
        pickle.Write(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));
    }

    private void Put(params ReadOnlySpan<byte> bytes) => pickle.Write(bytes);
}
