using System.IO.Compression;
using System.Text;

namespace Parsimony.Tests.Models.TorchFiles;

/// <summary>Torch files made by hand, one opcode after the other.</summary>
internal static class SomePickle
{
    /// <summary>Wraps a pickle, written one character a byte, as torch.save would.</summary>
    /// <param name="path">The file.</param>
    /// <param name="pickle">Opcodes after the protocol, without the final stop.</param>
    /// <param name="data">Storages by key.</param>
    /// <param name="byteOrder">What the archive says.</param>
    /// <returns>The path.</returns>
    public static string Write(string path, string pickle, Dictionary<string, byte[]>? data = null, string byteOrder = "little")
    {
        using var archive = ZipFile.Open(path, ZipArchiveMode.Create);
        void Add(string name, byte[] bytes)
        {
            using var stream = archive.CreateEntry("a/" + name, CompressionLevel.NoCompression).Open();
            stream.Write(bytes);
        }
        Add("data.pkl", Encoding.Latin1.GetBytes("\u0080\u0002" + pickle + "."));
        Add("byteorder", Encoding.ASCII.GetBytes(byteOrder));
        foreach (var (key, bytes) in data ?? []) Add("data/" + key, bytes);
        return path;
    }

    /// <summary>A text.</summary>
    public static string String(string text) => $"X{(char)text.Length}\0\0\0{text}";

    /// <summary>A whole number.</summary>
    public static string Number(int n) => "J" + Encoding.Latin1.GetString(BitConverter.GetBytes(n));

    /// <summary>A tuple.</summary>
    public static string Tuple(params string[] items) => "(" + string.Concat(items) + "t";

    /// <summary>A dictionary.</summary>
    public static string Dictionary(params (string Key, string Value)[] items) => "}(" + string.Concat(items.Select(i => String(i.Key) + i.Value)) + "u";

    /// <summary>A tensor as torch writes it.</summary>
    public static string Tensor(string storage, string key, int elements, int offset, int[] size, int[] stride) =>
        "ctorch._utils\n_rebuild_tensor_v2\n" + Tuple(
            Tuple(String("storage"), $"ctorch\n{storage}\n", String(key), String("cpu"), Number(elements)) + "Q", Number(offset),
            Tuple([.. size.Select(Number)]), Tuple([.. stride.Select(Number)]), "\u0089", "ccollections\nOrderedDict\n)R") + "R";
}
