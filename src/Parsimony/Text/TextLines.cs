namespace Parsimony.Text;

/// <summary>A line, or a part of one that is longer than the buffer.</summary>
/// <param name="Content">The characters before the line break; valid until the next line is read.</param>
/// <param name="Break"><c>"\n"</c>, <c>"\r\n"</c>, or empty: the line goes on in the next part, or the text ends.</param>
internal readonly record struct TextLine(ReadOnlyMemory<char> Content, string Break);

/// <summary>Lines with their line breaks, in constant memory whatever their length.</summary>
internal static class TextLines
{
    private const int BufferChars = 1 << 16;

    /// <summary>All lines of <paramref name="reader"/>; <paramref name="path"/> names it in errors.</summary>
    /// <exception cref="InvalidDataException">The archive the reader reads from is broken.</exception>
    public static IEnumerable<TextLine> Read(TextReader reader, string path)
    {
        var buffer = new char[BufferChars];
        int start = 0, end = 0;
        while (true)
        {
            int length = buffer.AsSpan(start, end - start).IndexOf('\n');
            if (length >= 0)
            {
                bool crlf = length > 0 && buffer[start + length - 1] == '\r';
                yield return new(buffer.AsMemory(start, crlf ? length - 1 : length), crlf ? "\r\n" : "\n");
                start += length + 1;
                continue;
            }
            if (start == 0 && end == buffer.Length)
            {
                yield return new(buffer, "");
                end = 0;
            }
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
            int read = Fill(reader, buffer.AsSpan(end), path);
            if (read == 0) break;
            end += read;
        }
        if (end > 0) yield return new(buffer.AsMemory(0, end), "");
    }

    private static int Fill(TextReader reader, Span<char> free, string path)
    {
        try
        {
            return reader.Read(free);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"'{path}' is not a whole gzip file ({e.Message.TrimEnd('.')}). Fetch or compress it again.", e);
        }
    }
}
