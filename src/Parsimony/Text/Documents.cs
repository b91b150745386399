using System.IO.Compression;
using System.Text;

namespace Parsimony.Text;

/// <summary>Documents in, strings out, without ever holding a whole file.</summary>
public static class Documents
{
    /// <summary>
    /// Streams the documents of a file in order, each as one or more pieces. The text is kept as in the file, line ends included;
    /// a byte-order mark is dropped, what is not valid UTF-8 becomes U+FFFD, and empty documents are left out.
    /// </summary>
    /// <param name="path">A <c>.txt</c> file, or one JSON object a line in <c>.jsonl</c>, <c>.jsonl.gz</c> or <c>.json.gz</c>.</param>
    /// <param name="options">How documents are told apart; null is the default.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The name ends in something else, or the options are wrong.</exception>
    /// <exception cref="InvalidDataException">While reading: a broken line or archive; the message names file and line.</exception>
    public static IEnumerable<TextPiece> Read(string path, TextOptions? options = null)
    {
        options = (options ?? new TextOptions()).Validated();
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no file '{path}'. Give a .txt, .jsonl, .jsonl.gz or .json.gz file.", path);

        if (Ends(".txt")) return PlainText.Read(() => Open(path, zipped: false), path, options.Separator);
        if (Ends(".jsonl")) return JsonLines.Read(() => Open(path, zipped: false), path, options.TextField);
        if (Ends(".jsonl.gz") || Ends(".json.gz")) return JsonLines.Read(() => Open(path, zipped: true), path, options.TextField);
        throw new ArgumentException(
            $"'{path}' is not a kind of text file this reads. Allowed are .txt, .jsonl, .jsonl.gz and .json.gz; convert or rename it.");

        bool Ends(string extension) => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A text file as UTF-8, unzipped on the way where it is gzip.</summary>
    internal static StreamReader Open(string path, bool zipped)
    {
        Stream file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return new StreamReader(zipped ? new GZipStream(file, CompressionMode.Decompress) : file, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, 1 << 16);
    }
}
