using System.IO.Compression;
using System.Text;
using ZstdSharp;

namespace Parsimony.Text;

/// <summary>One file of a text: which kind it is by its name, and its documents in order.</summary>
internal static class TextFile
{
    /// <summary>What is read, for messages.</summary>
    public const string Kinds = ".txt, .jsonl and .pgn (each also .gz, .zst or .zip), .json.gz and .json.zst (lines), and .parquet";

    private static readonly string[] Zips = [".gz", ".zst", ".zip"];

    /// <summary>Whether the name is that of a text file.</summary>
    public static bool IsText(string path) => Kind(path) is not null;

    /// <summary>The documents of a file in order, each as one or more pieces.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How documents are told apart.</param>
    /// <param name="bad">Takes what cannot be read.</param>
    /// <param name="from">Records to pass over: those before the one to begin with.</param>
    /// <exception cref="InvalidDataException">While reading: what makes the rest of the file unreadable.</exception>
    public static IEnumerable<TextRecord> Read(string path, TextOptions options, BadRecords bad, long from) => Kind(path) switch
    {
        ".txt" => PlainText.Read(() => Open(path), path, options.Separator).Where(r => r.Record >= from),
        ".pgn" => PgnGames.Read(() => Open(path), path, bad, from),
        ".parquet" => ParquetText.Read(path, options.TextColumn, bad, from),
        _ => JsonLines.Read(() => Open(path), path, options.TextColumn, bad, from),
    };

    /// <summary>A text file as UTF-8, decompressed on the way where its name says that it is compressed.</summary>
    /// <exception cref="InvalidDataException">A zip with no text file in it, or with several, or none at all.</exception>
    public static StreamReader Open(string path)
    {
        Stream file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        try
        {
            Stream text = Path.GetExtension(path).ToLowerInvariant() switch
            {
                ".gz" => new GZipStream(file, CompressionMode.Decompress),
                ".zst" => new DecompressionStream(file, leaveOpen: false),
                ".zip" => OnlyEntry(file, path),
                _ => file,
            };
            return new StreamReader(text, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, 1 << 16);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static Stream OnlyEntry(Stream file, string path)
    {
        try
        {
            var entries = new ZipArchive(file, ZipArchiveMode.Read).Entries.Where(e => Kind(e.Name) is ".txt" or ".jsonl" or ".pgn").ToList();
            return entries.Count == 1 ? entries[0].Open() : throw new InvalidDataException(
                $"'{path}' has {entries.Count} text files in it; one is allowed. Unpack it and name the folder.");
        }
        catch (InvalidDataException e) when (e.TargetSite?.DeclaringType?.Assembly == typeof(ZipArchive).Assembly)
        {
            throw new InvalidDataException($"'{path}' is not a whole zip file ({e.Message.TrimEnd('.')}). Fetch or compress it again.", e);
        }
    }

    private static string? Kind(string path)
    {
        string last = Path.GetExtension(path).ToLowerInvariant();
        bool zipped = Zips.Contains(last);
        string kind = zipped ? Path.GetExtension(Path.GetFileNameWithoutExtension(path)).ToLowerInvariant() : last;
        return kind switch
        {
            ".txt" or ".jsonl" or ".pgn" => kind,
            ".json" when zipped => ".jsonl",
            ".parquet" when !zipped => kind,
            _ => null,
        };
    }
}
