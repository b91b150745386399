using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace Parsimony.Tools.Corpus;

/// <summary>One book: its file name and its chapters' texts, in order.</summary>
public sealed record Book(string Name, IReadOnlyList<string> Chapters);

/// <summary>The books the language model is trained on: a folder with <c>books.tar.gz</c>, one text file a book.</summary>
public static class Books
{
    /// <summary>The line between two chapters.</summary>
    public const string Separator = "<|endoftext|>";

    /// <summary>
    /// The books never trained on, one of each large series: a Burgess, a Bailey, a Hope, a Barnum and a Garis, 2.2 % of the text.
    /// </summary>
    public static readonly IReadOnlySet<string> HeldOut = new HashSet<string>
    {
        "46950-the-adventures-of-bob-white.txt",
        "21322-the-tale-of-betsy-butterfly-tuck-me-in-tales.txt",
        "17277-the-story-of-a-monkey-on-a-stick.txt",
        "63191-winkie-the-wily-woodchuck-her-many-adventures.txt",
        "60017-uncle-wiggily-s-automobile.txt",
    };

    /// <summary>All books in the order of their names.</summary>
    /// <param name="folder">Holds <c>books.tar.gz</c>.</param>
    /// <exception cref="FileNotFoundException">The folder has no such file.</exception>
    public static List<Book> Read(string folder)
    {
        string path = Path.Combine(folder, "books.tar.gz");
        if (!File.Exists(path)) throw new FileNotFoundException(
            $"'{path}' is missing. Name a folder with books.tar.gz: text files, chapters separated by a line {Separator}.");
        var books = new List<Book>();
        using var tar = new TarReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.DataStream is null || !entry.Name.EndsWith(".txt", StringComparison.Ordinal)) continue;
            using var reader = new StreamReader(entry.DataStream, Encoding.UTF8);
            books.Add(new Book(Path.GetFileName(entry.Name), Chapters(reader.ReadToEnd())));
        }
        return [.. books.OrderBy(b => b.Name, StringComparer.Ordinal)];
    }

    internal static List<string> Chapters(string text) =>
        [.. ("\n" + text + "\n").Split("\n" + Separator + "\n").Select(c => c.Trim('\n')).Where(c => c.Length > 0)];
}
