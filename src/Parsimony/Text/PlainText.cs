using System.Text;

namespace Parsimony.Text;

/// <summary>Plain text in which a line of its own separates documents.</summary>
internal static class PlainText
{
    public static IEnumerable<TextRecord> Read(Func<TextReader> open, string path, string? separator)
    {
        using var reader = open();
        var document = new StringBuilder();
        string lineBreak = "";       // of the line before: it is the document's only if no separator follows
        bool lineStart = true;
        long number = 0;
        foreach (var (content, end) in TextLines.Read(reader, path))
        {
            if (lineStart && separator is not null && content.Span.SequenceEqual(separator))
            {
                if (document.Length > 0) yield return new(new(document.ToString(), EndsDocument: true), number++);
                document.Clear();
                (lineBreak, lineStart) = ("", true);
                continue;
            }
            document.Append(lineBreak).Append(content.Span);
            (lineBreak, lineStart) = (end, end.Length > 0);
            if (document.Length <= SafeCut.PieceChars) continue;

            string held = document.ToString();
            int cut = SafeCut.Length(held, SafeCut.PieceChars);
            yield return new(new(held[..cut], EndsDocument: false), number);
            document.Clear().Append(held.AsSpan(cut));
        }
        document.Append(lineBreak);
        if (document.Length > 0) yield return new(new(document.ToString(), EndsDocument: true), number);
    }
}
