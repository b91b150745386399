using System.Text;
using ZstdSharp;

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

    /// <summary>The same as strings, each line whole and without its line break.</summary>
    /// <exception cref="InvalidDataException">The archive is broken, or a line is longer than <paramref name="longest"/> characters.</exception>
    public static IEnumerable<string> Whole(TextReader reader, string path, int longest = 1 << 28)
    {
        var line = new StringBuilder();
        long number = 1;
        foreach (var (content, end) in Read(reader, path))
        {
            line.Append(content.Span);
            if (line.Length > longest) throw new InvalidDataException($"'{path}', line {number}: the line is longer than {longest} characters. Break it into lines, or delete it.");
            if (end.Length == 0) continue;
            yield return line.ToString();
            line.Clear();
            number++;
        }
        if (line.Length > 0) yield return line.ToString();
    }

    private static int Fill(TextReader reader, Span<char> free, string path)
    {
        try
        {
            return reader.Read(free);
        }
        catch (Exception e) when (e is InvalidDataException or ZstdException or EndOfStreamException)
        {
            string archive = Path.GetExtension(path).ToLowerInvariant() switch { ".zst" => "zstd", ".zip" => "zip", _ => "gzip" };
            throw new InvalidDataException($"'{path}' is not a whole {archive} file ({e.Message.TrimEnd('.')}). Fetch or compress it again.", e);
        }
    }
}
