using System.Text;
using CsCheck;
using Parsimony.Reporting;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed class ShadedTextTests
{
    [Fact]
    public void Tokens_that_are_parts_of_a_character_are_joined()
    {
        byte[] smile = "\U0001F600"u8.ToArray();
        var text = ShadedText.Join([[.. " a"u8, smile[0]], [smile[1]], [.. smile[2..], .. "b"u8], "c"u8.ToArray()], [1, 4, 2, 3], 1);
        Assert.Equal([" a\U0001F600b", "c"], text.Text);
        Assert.Equal([4, 3], text.Activations);
        Assert.Equal(0, text.Peak);
    }

    [Fact]
    public void Bytes_that_are_no_character_are_written_as_bytes()
    {
        var text = ShadedText.Join([[0x98, 0x80], "x"u8.ToArray(), [0xFF], [0xE4, 0xB8]], [0, 1, 0, 0], 1);
        Assert.Equal(["\\x98\\x80", "x", "\\xff", "\\xe4\\xb8"], text.Text);
        Assert.Equal(1, text.Peak);
    }

    [Fact]
    public void Whole_text_cut_anywhere_is_the_same_text() => Gen.Select(Gen.String[Gen.Char.AlphaNumeric, 0, 5], Gen.Int[0, int.MaxValue]).Sample((latin, seed) =>
    {
        var random = new Random(seed);
        string whole = latin + "é漢\U0001F600ا\n" + latin + "\U00020000ß";
        byte[] bytes = Encoding.UTF8.GetBytes(whole);
        var tokens = new List<byte[]>();
        for (int at = 0, length; at < bytes.Length; at += length)
        {
            length = Math.Min(random.Next(1, 5), bytes.Length - at);
            tokens.Add(bytes[at..(at + length)]);
        }
        var text = ShadedText.Join(tokens, new float[tokens.Count], tokens.Count - 1);
        Assert.Equal(whole, string.Concat(text.Text));
        Assert.Equal(text.Text.Count - 1, text.Peak);
    }, iter: 200, threads: 1);
}
