using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>The header of one NumPy array: <c>\x93NUMPY</c>, a version, a length, a Python dictionary as text.</summary>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Its axes; empty for a scalar.</param>
/// <param name="IsFortranOrder">Whether the first axis varies fastest.</param>
internal sealed partial record NumpyHeader(ScalarType Type, long[] Shape, bool IsFortranOrder)
{
    private const int LongestHeader = 1 << 20, Alignment = 64;

    private static readonly (string Name, ScalarType Type)[] Types =
    [
        ("<f4", ScalarType.Float32), ("<f8", ScalarType.Float64), ("<f2", ScalarType.Float16), ("<i8", ScalarType.Int64), ("<i4", ScalarType.Int32),
        ("<i2", ScalarType.Int16), ("|i1", ScalarType.Int8), ("|u1", ScalarType.Byte), ("|b1", ScalarType.Bool),
    ];

    /// <summary>Reads the header and leaves the stream at the first element.</summary>
    /// <param name="stream">The array's bytes.</param>
    /// <param name="length">Length of the header in the file.</param>
    /// <exception cref="FormatException">It is not such a header; the message is a clause without a full stop.</exception>
    public static NumpyHeader Read(Stream stream, out long length)
    {
        Span<byte> start = stackalloc byte[12];
        try
        {
            stream.ReadExactly(start[..8]);
            if (start[0] != 0x93 || !start[1..6].SequenceEqual("NUMPY"u8) || start[6] is < 1 or > 3)
                throw new FormatException("it does not begin as a NumPy array of version 1 to 3");
            int lengthBytes = start[6] == 1 ? 2 : 4;
            stream.ReadExactly(start.Slice(8, lengthBytes));
            uint text = lengthBytes == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(start[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
            if (text > LongestHeader) throw new FormatException($"its header claims {text} bytes; at most {LongestHeader} are read");
            byte[] header = new byte[text];
            stream.ReadExactly(header);
            length = 8 + lengthBytes + text;
            return Parse(Encoding.UTF8.GetString(header));
        }
        catch (EndOfStreamException e)
        {
            throw new FormatException("it ends within its header", e);
        }
    }

    /// <summary>Elements; what the shape says, checked to be a 64-bit number.</summary>
    public long Elements
    {
        get
        {
            UInt128 elements = 1;
            foreach (long axis in Shape)
                if ((elements *= (UInt128)axis) > long.MaxValue) throw new FormatException("its size is not a 64-bit number");
            return (long)elements;
        }
    }

    /// <summary>The bytes of a header of version 1 for a tensor stored in the order of its axes.</summary>
    /// <exception cref="ArgumentException">NumPy has no such type.</exception>
    public static byte[] Bytes(Tensor tensor)
    {
        string type = Array.Find(Types, t => t.Type == tensor.dtype).Name ?? throw new ArgumentException(
            $"NumPy has no type for {tensor.dtype}; types: {string.Join(", ", Types.Select(t => t.Type))}.", nameof(tensor));
        string shape = tensor.shape.Length == 1 ? $"({tensor.shape[0]},)" : $"({string.Join(", ", tensor.shape)})";
        string text = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}";
        int length = (10 + text.Length + 1 + Alignment - 1) / Alignment * Alignment;
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill((byte)' ');
        byte[] magic = [0x93, .. "NUMPY"u8, 1, 0];
        magic.CopyTo(bytes, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)(length - 10));
        Encoding.ASCII.GetBytes(text, bytes.AsSpan(10));
        bytes[^1] = (byte)'\n';
        return bytes;
    }

    private static NumpyHeader Parse(string text)
    {
        if (Layout().Match(text) is not { Success: true } match) throw new FormatException($"its header is not NumPy's: {Shown(text)}");
        string name = match.Groups["type"].Value;
        if (Array.Find(Types, t => t.Name == name) is not { Name: not null } type)
            throw new FormatException($"it holds elements of type '{name}'; types: {string.Join(", ", Types.Select(t => t.Name))}");
        var axes = match.Groups["shape"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        long[] shape = new long[axes.Length];
        for (int i = 0; i < axes.Length; i++)
            if (!long.TryParse(axes[i].TrimEnd('L'), NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]))
                throw new FormatException($"its shape is not one: {Shown(text)}");
        return new NumpyHeader(type.Type, shape, match.Groups["order"].Value == "True");
    }

    private static string Shown(string text) => text.Length <= 120 ? text.Trim() : text[..120] + "…";

    // NumPy writes the three keys in the order of the alphabet.
    [GeneratedRegex(@"^\{\s*'descr':\s*'(?<type>[^']*)',\s*'fortran_order':\s*(?<order>True|False),\s*'shape':\s*\((?<shape>[0-9L,\s]*)\),?\s*\}\s*$")]
    private static partial Regex Layout();
}
