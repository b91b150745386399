using System.ComponentModel;

namespace Parsimony.Text;

/// <summary>How documents are told apart in a file.</summary>
public sealed record TextOptions
{
    /// <summary>
    /// In .txt files: a line of its own between two documents; it and the line break before it belong to neither.
    /// Default <c>&lt;|endoftext|&gt;</c>; null makes the whole file one document.
    /// </summary>
    [Description("line that ends a document in a .txt file; none: the file is one document")]
    public string? Separator { get; init; } = "<|endoftext|>";

    /// <summary>In .jsonl files: the field of each object that holds the text. Default <c>text</c>.</summary>
    [Description("field of a .jsonl object that holds the text")]
    public string TextField { get; init; } = "text";

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public TextOptions Validated()
    {
        List<string> faults = [];
        if (Separator is { } line && (line.Length == 0 || line.AsSpan().IndexOfAny('\r', '\n') >= 0))
            faults.Add("separator is empty or has a line break; give the content of one line, or null for one document per file");
        if (string.IsNullOrEmpty(TextField)) faults.Add("text_field is empty; give the name of the field that holds the text");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }
}
