namespace Parsimony.FineTuning;

/// <summary>Preference pairs of a file, and what of it could not be used.</summary>
public sealed record PreferenceSet
{
    /// <summary>The pairs, in the order of the file.</summary>
    public required IReadOnlyList<PreferencePair> Pairs { get; init; }

    /// <summary>Rows of the file.</summary>
    public required int Rows { get; init; }

    /// <summary>Rows left out because chosen and rejected are the same.</summary>
    public required int Same { get; init; }

    /// <summary>Rows left out because chosen or rejected says nothing.</summary>
    public required int Empty { get; init; }

    /// <summary>Rows left out because the two part before the last turn: there is no common prompt that one answer follows.</summary>
    public required int SeveralTurns { get; init; }

    /// <summary>Rows left out because a continuation alone does not fit into a context, or because a prompt is too long and such are dropped.</summary>
    public required int TooLong { get; init; }

    /// <summary>Pairs whose prompt lost its beginning.</summary>
    public required int Truncated { get; init; }

    /// <summary>What was left out and cut, a sentence for people; null: nothing was.</summary>
    public string? Warning
    {
        get
        {
            List<string> parts =
            [
                .. Counted(Same, "left out without a difference"), .. Counted(Empty, "left out with an empty continuation"),
                .. Counted(SeveralTurns, "left out that part before the last turn"), .. Counted(TooLong, "left out as too long"),
                .. Counted(Truncated, "with the beginning of the prompt cut off"),
            ];
            return parts.Count == 0 ? null : $"Of {Rows} preference pairs: {string.Join(", ", parts)}.";
        }
    }

    private static IEnumerable<string> Counted(int count, string what) => count > 0 ? [$"{count} {what}"] : [];
}
