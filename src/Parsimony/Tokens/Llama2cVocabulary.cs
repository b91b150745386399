using System.Text;

namespace Parsimony.Tokens;

/// <summary>
/// The tokenizer file of llama2.c (<c>tokenizer.bin</c>, <c>tok512.bin</c>): the length of the longest token, then for each id a score, a length and
/// that many bytes. Two neighbours are joined where the vocabulary has the two together, the best score first; ids 0 to 2 are the unknown token, the beginning and the end.
/// </summary>
internal static class Llama2cVocabulary
{
    private const int Begin = 1, End = 2, FirstByte = 3, FirstText = FirstByte + 256;

    /// <summary>The vocabulary in a folder without a tokenizer.json: its one <c>tok*.bin</c>; null when there is none.</summary>
    public static string? FindIn(string folder) =>
        !Directory.Exists(folder) || File.Exists(Path.Combine(folder, "tokenizer.json")) ? null
        : Directory.GetFiles(folder, "tok*.bin") is [var one] ? one : null;

    /// <summary>Reads the file's bytes; <paramref name="source"/> names it in errors.</summary>
    /// <exception cref="InvalidDataException">It is cut off or no such file.</exception>
    public static TokenizerFile Parse(byte[] data, string source)
    {
        var (entries, scores) = ReadEntries(data, source);
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = FirstByte; id < entries.Count; id++)
        {
            string entry = id < FirstText ? SentencePieceBpe.ByteEntry(id - FirstByte) : entries[id];
            if (id < FirstText && entries[id] != entry) throw Fault(source, $"token {id} is '{entries[id]}', not {entry}");
            vocabulary.TryAdd(entry, id);
        }
        return new TokenizerFile(vocabulary, Joins(entries, scores, vocabulary), [new("<unk>", 0), new("<s>", Begin), new("</s>", End)], [])
        {
            Spaces = new SpaceRule(' ', SpacePrefix.PartsAnyway, SplitsWords: false),
            ByteFallback = true,
            BeginOfTextId = Begin,
            EndOfTextId = Begin, // stories follow each other with nothing but a beginning between them
        };
    }

    private static List<(int, int, int, int)> Joins(List<string> entries, List<float> scores, Dictionary<string, int> vocabulary)
    {
        var rank = scores.Skip(FirstText).Distinct().OrderDescending().Select((score, i) => (score, i)).ToDictionary(p => p.score, p => p.i);
        var joins = new List<(int, int, int, int)>();
        for (int id = FirstText; id < entries.Count; id++)
            for (int cut = 1; cut < entries[id].Length; cut++)
                if (vocabulary.TryGetValue(entries[id][..cut], out int left) && vocabulary.TryGetValue(entries[id][cut..], out int right)
                    && vocabulary[entries[id]] == id)
                    joins.Add((left, right, rank[scores[id]], id));
        return joins;
    }

    private static (List<string> Entries, List<float> Scores) ReadEntries(byte[] data, string source)
    {
        var (entries, scores) = (new List<string>(), new List<float>());
        using var reader = new BinaryReader(new MemoryStream(data));
        try
        {
            int longest = reader.ReadInt32();
            while (reader.BaseStream.Position < data.Length)
            {
                scores.Add(reader.ReadSingle());
                int length = reader.ReadInt32();
                if (length < 0 || length > longest || float.IsNaN(scores[^1])) throw Fault(source, $"token {entries.Count} claims {length} bytes; the longest has {longest}");
                byte[] bytes = reader.ReadBytes(length);
                if (bytes.Length < length) throw new EndOfStreamException();
                entries.Add(Encoding.UTF8.GetString(bytes));
            }
        }
        catch (EndOfStreamException)
        {
            throw Fault(source, "it is cut off");
        }
        return entries.Count > FirstText ? (entries, scores) : throw Fault(source, $"it has {entries.Count} tokens; {FirstText} of them are taken before the first text");
    }

    private static InvalidDataException Fault(string source, string what) => new($"{source} cannot be read as a tokenizer of llama2.c: {what}.");
}
