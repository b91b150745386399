using System.ComponentModel;

namespace Parsimony.Text;

/// <summary>How documents are told apart in a text, which of them are read, and in which order.</summary>
public sealed record TextOptions
{
    /// <summary>
    /// In .txt files: a line of its own between two documents; it and the line break before it belong to neither.
    /// Default <c>&lt;|endoftext|&gt;</c>; null makes the whole file one document.
    /// </summary>
    [Description("line that ends a document in a .txt file; none: the file is one document")]
    public string? Separator { get; init; } = "<|endoftext|>";

    /// <summary>Field of each JSON object, or column of a parquet file, that holds the text; inside another one <c>outer.inner</c>. Default <c>text</c>.</summary>
    [Description("field of a JSON object, or column of a parquet file, that holds the text; nested: outer.inner")]
    public string TextColumn { get; init; } = "text";

    /// <summary>Whether a broken line, game, row group or rest of a file is counted and passed over instead of being an error. Default false.</summary>
    [Description("pass over broken lines, row groups and rests of files, and say how many, instead of stopping at the first")]
    public bool SkipBad { get; init; }

    /// <summary>Documents held in memory and shuffled together (fewer where they are long: 64 Mi characters). Default 0: in the order of the files.</summary>
    [Description("documents held and shuffled together; 0: in the order of the files")]
    public int ShuffleDocuments { get; init; }

    /// <summary>Seed of that shuffling. Default 0.</summary>
    [Description("seed of that shuffling")]
    public long ShuffleSeed { get; init; }

    /// <summary>Parts that the text is dealt into, one document to each in turn. Default 1: one part, the whole.</summary>
    [Description("parts the text is dealt into, document by document, such as one for each process")]
    public int Shards { get; init; } = 1;

    /// <summary>Which part to read, 0 to <see cref="Shards"/> - 1. Default 0.</summary>
    [Description("which of these parts to read, from 0")]
    public int Shard { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public TextOptions Validated()
    {
        List<string> faults = [];
        if (Separator is { } line && (line.Length == 0 || line.AsSpan().IndexOfAny('\r', '\n') >= 0))
            faults.Add("separator is empty or has a line break; give the content of one line, or null for one document per file");
        if (string.IsNullOrEmpty(TextColumn)) faults.Add("text_column is empty; give the name of the field or column that holds the text");
        if (ShuffleDocuments < 0) faults.Add($"shuffle_documents is {ShuffleDocuments}; give 0 or more");
        if (Shards < 1) faults.Add($"shards is {Shards}; give 1 or more");
        else if (Shard < 0 || Shard >= Shards) faults.Add($"shard is {Shard}; of {Shards} give 0 to {Shards - 1}");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }
}
