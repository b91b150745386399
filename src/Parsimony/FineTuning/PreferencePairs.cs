using Parsimony.Tokens;

namespace Parsimony.FineTuning;

/// <summary>Reads preference pairs.</summary>
public static class PreferencePairs
{
    /// <summary>
    /// Reads the pairs of a file. A row is an object with <c>chosen</c> and <c>rejected</c>, as texts, as a message or as lists of messages, and may have a
    /// <c>prompt</c> (or <c>conversations</c>, <c>messages</c>); without one the prompt is what both have in common: in a conversation all turns but the
    /// last, in other texts the tokens at their beginning.
    /// </summary>
    /// <param name="path">JSON lines (.jsonl, also .gz, .zst, .zip) or a .json file that is an array.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">How they are read.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A row is no pair (the message names it), or no pair is left.</exception>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public static PreferenceSet Load(string path, Tokenizer tokenizer, PreferenceOptions? options = null)
    {
        options = (options ?? new()).Validated();
        var set = new PreferenceSet { Pairs = [], Rows = 0, Same = 0, Empty = 0, SeveralTurns = 0, TooLong = 0, Truncated = 0 };
        var pairs = new List<PreferencePair>();
        foreach (var (json, where) in JsonRows.Read(path))
        {
            set = set with { Rows = set.Rows + 1 };
            var row = PreferenceRow.Read(json, where, options.ChatTemplate);
            if (row is null) set = set with { SeveralTurns = set.SeveralTurns + 1 };
            else if (row.Chosen == row.Rejected) set = set with { Same = set.Same + 1 };
            else if (Tokens(row, tokenizer, options.ChatTemplate) is not { } pair) set = set with { Empty = set.Empty + 1 };
            else if (pair.Chosen.AsSpan().SequenceEqual(pair.Rejected)) set = set with { Same = set.Same + 1 };
            else if (Fitting(pair, tokenizer, options) is not { } fitting) set = set with { TooLong = set.TooLong + 1 };
            else
            {
                if (fitting.Prompt.Length < pair.Prompt.Length) set = set with { Truncated = set.Truncated + 1 };
                pairs.Add(fitting);
            }
        }
        set = set with { Pairs = pairs };
        return pairs.Count > 0 ? set : throw new InvalidDataException(
            $"'{path}' leaves no preference pair to learn from. {set.Warning ?? "It has no rows."}");
    }

    /// <summary>The pair's tokens; null where a continuation says nothing.</summary>
    private static PreferencePair? Tokens(PreferenceRow row, Tokenizer tokenizer, ChatTemplate template)
    {
        int[] end = tokenizer.EndOfTextId is { } id ? [id] : [];
        if (row.Prompt is { } prompt)
            return IsEmpty(row.Chosen) || IsEmpty(row.Rejected) ? null
                : new(tokenizer.EncodeDocument(prompt), [.. Continuation(row.Chosen), .. end], [.. Continuation(row.Rejected), .. end]);

        int[] chosen = tokenizer.EncodeDocument(row.Chosen), rejected = tokenizer.EncodeDocument(row.Rejected);
        int common = chosen.AsSpan().CommonPrefixLength(rejected);
        return common == chosen.Length || common == rejected.Length ? null
            : new(chosen[..common], [.. chosen[common..], .. end], [.. rejected[common..], .. end]);

        bool IsEmpty(string continuation) => string.IsNullOrWhiteSpace(continuation) || continuation == ChatText.Completion("", template);

        List<int> Continuation(string text)
        {
            var ids = new List<int>();
            tokenizer.Encode(text, ids, startsText: false);
            return ids;
        }
    }

    private static PreferencePair? Fitting(PreferencePair pair, Tokenizer tokenizer, PreferenceOptions options)
    {
        if (pair.LongestTokens <= options.SequenceLength) return pair;
        int room = options.SequenceLength - (pair.LongestTokens - pair.Prompt.Length);
        if (room < 1 || options.LongPrompts == LongPrompts.Drop) return null;
        return pair with { Prompt = PromptFit.Cut(pair.Prompt, room, tokenizer) };
    }
}
