using System.Text;

namespace Parsimony.Tokens;

/// <summary>
/// The alphabet in which byte-level BPE writes bytes as characters (GPT-2's <c>bytes_to_unicode</c>): the printable bytes of
/// Latin-1 stand for themselves, the other 68 are U+0100, U+0101, ... in order, so that a space is <c>Ġ</c> and a newline <c>Ċ</c>.
/// </summary>
public static class ByteLevel
{
    private static readonly char[] Chars = new char[256];
    private static readonly int[] Bytes = new int[324];

    static ByteLevel()
    {
        Array.Fill(Bytes, -1);
        for (int b = 0, others = 0; b < 256; b++)
        {
            bool printable = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            Chars[b] = (char)(printable ? b : 256 + others++);
            Bytes[Chars[b]] = b;
        }
    }

    /// <summary>The character a byte is written as.</summary>
    public static char Symbol(byte value) => Chars[value];

    /// <summary>The bytes a vocabulary entry stands for; an entry with characters outside the alphabet is plain text (UTF-8).</summary>
    public static byte[] Decode(string entry)
    {
        var bytes = new byte[entry.Length];
        for (int i = 0; i < entry.Length; i++)
        {
            int b = entry[i] < Bytes.Length ? Bytes[entry[i]] : -1;
            if (b < 0) return Encoding.UTF8.GetBytes(entry);
            bytes[i] = (byte)b;
        }
        return bytes;
    }
}
