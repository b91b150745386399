namespace Parsimony.Text;

/// <summary>What could not be read of a text: the first fault ends the reading, unless such are to be passed over; then they are counted.</summary>
/// <param name="skip">Whether to pass over them.</param>
public sealed class BadRecords(bool skip)
{
    /// <summary>Lines, games, row groups and rests of files passed over so far.</summary>
    public long Count { get; private set; }

    /// <summary>What was wrong with the first of them, a sentence that names the file; null: nothing was.</summary>
    public string? First { get; private set; }

    /// <summary>The same as a sentence for people; null: nothing was passed over.</summary>
    public string? Sentence => Count == 0 ? null : $"Passed over {Count} broken {(Count == 1 ? "part" : "parts")} of the text (--skip-bad); the first: {First}";

    internal void Add(InvalidDataException fault) => Add(1, skip ? fault.Message : throw fault);

    /// <summary>Counts what an earlier reading passed over.</summary>
    internal void Add(long count, string? first) => (Count, First) = (Count + count, First ?? first);
}
