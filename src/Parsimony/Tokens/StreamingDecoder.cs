using System.Text;

namespace Parsimony.Tokens;

/// <summary>Turns ids into text as they are generated. A character whose bytes are spread over tokens appears when it is whole.</summary>
/// <param name="tokenizer">The tokenizer the ids come from.</param>
public sealed class StreamingDecoder(Tokenizer tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that <paramref name="id"/> completes; empty while a character is unfinished.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="id"/> is negative.</exception>
    public string Push(int id) => Read(tokenizer.Bytes(id), flush: false);

    /// <summary>What is left at the end: U+FFFD for a character that never became whole, otherwise nothing.</summary>
    public string Flush() => Read([], flush: true);

    private string Read(ReadOnlySpan<byte> bytes, bool flush)
    {
        var chars = new char[_decoder.GetCharCount(bytes, flush)];
        return new string(chars, 0, _decoder.GetChars(bytes, chars, flush));
    }
}
