using System.Globalization;
using System.Text.Json;
using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>Reads texts with a label each.</summary>
internal static class LabelledRows
{
    private static readonly string[] LabelFields = ["label", "kto_tag"];

    /// <summary>Whether a row has a label.</summary>
    public static bool IsOne(JsonElement? row) => LabelFields.Any(field => JsonRows.Has(row, field));

    /// <summary>Reads a file; see <see cref="RewardData.Load"/>.</summary>
    public static RewardData Load(string path, Tokenizer tokenizer, PreferenceOptions options, IReadOnlyList<string>? classes)
    {
        var texts = new List<JudgedText>();
        var labels = new List<string>();
        int rows = 0, empty = 0, tooLong = 0, cut = 0;
        foreach (var (json, where) in JsonRows.Read(path))
        {
            rows++;
            var (prompt, text, label) = Read(json, where, options.ChatTemplate);
            if (classes?.Contains(label) == false) throw new InvalidDataException(
                $"{where}: '{label}' is no label of the training data; those are {string.Join(", ", classes.Select(c => $"'{c}'"))}. Correct or delete the row.");
            if (string.IsNullOrWhiteSpace(text))
            {
                empty++;
                continue;
            }
            int[] head = prompt is null ? [] : tokenizer.EncodeDocument(prompt);
            var ids = new List<int>(prompt is null ? tokenizer.EncodeDocument(text) : []);
            if (prompt is not null) tokenizer.Encode(text, ids, startsText: false);
            var (judged, isCut) = JudgedText.Of(head, [.. ids], options.SequenceLength, tokenizer);
            if (isCut && options.LongPrompts == LongPrompts.Drop)
            {
                tooLong++;
                continue;
            }
            if (isCut) cut++;
            texts.Add(judged);
            labels.Add(label);
        }
        string[] names = classes is not null ? [.. classes] : Names(labels);
        string? warning = Warning(rows, empty, tooLong, cut);
        if (texts.Count == 0) throw new InvalidDataException($"'{path}' leaves no text to learn from. {warning ?? "It has no rows."}");
        if (names.Length < 2) throw new InvalidDataException($"'{path}' has only the label '{names[0]}'. There is nothing to tell apart: give texts of two classes or more.");
        return new RewardData { Texts = texts, Labels = [.. labels.Select(l => Array.IndexOf(names, l))], Classes = names, SequenceLength = options.SequenceLength, Warning = warning };
    }

    private static (string? Prompt, string Text, string Label) Read(JsonElement? json, string where, ChatTemplate template)
    {
        if (json is not { ValueKind: JsonValueKind.Object } row || LabelFields.FirstOrDefault(field => JsonRows.Has(json, field)) is not { } field || Label(row, field) is not { } label)
            throw NotOne();
        if (JsonRows.Text(row, "text") is { } text) return (JsonRows.Text(row, "prompt"), text, label);
        if (JsonRows.Text(row, "prompt") is { } prompt && JsonRows.Text(row, "completion") is { } completion) return (prompt, completion, label);
        if (ChatRows.Fields.FirstOrDefault(f => JsonRows.Has(row, f)) is not { } turns) throw NotOne();
        var messages = ChatRows.Messages(row.GetProperty(turns), where);
        if (messages.Count == 0 || messages[^1].Role != ChatRole.Assistant) throw new InvalidDataException(
            $"{where}: the last turn is not the assistant's, so there is nothing to judge. Correct or delete the row.");
        return (ChatText.Prompt([.. messages.SkipLast(1)], template), ChatText.Completion(messages[^1].Content, template), label);

        InvalidDataException NotOne() => new($"{where} is not a text with a label. Each row must be {{\"text\": \"...\", \"label\": \"...\"}}, or instead of the text "
            + "\"prompt\" and \"completion\", or \"messages\"; a label is a text, a whole number, true or false. Correct or delete it.");
    }

    private static string? Label(JsonElement row, string field) => row.GetProperty(field) is var label && label.ValueKind switch
    {
        JsonValueKind.String => JsonRows.Text(row, field),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Number when label.TryGetInt64(out long number) => number.ToString(CultureInfo.InvariantCulture),
        _ => null,
    } is { Length: > 0 } name ? name : null;

    /// <summary>Each label once; numbers by size, else by the letters' codes.</summary>
    private static string[] Names(List<string> labels)
    {
        string[] names = [.. labels.Distinct().Order(StringComparer.Ordinal)];
        return names.All(n => long.TryParse(n, CultureInfo.InvariantCulture, out _)) ? [.. names.OrderBy(n => long.Parse(n, CultureInfo.InvariantCulture))] : names;
    }

    private static string? Warning(int rows, int empty, int tooLong, int cut)
    {
        var counted = new (int Count, string What)[] { (empty, "left out as empty"), (tooLong, "left out as too long"), (cut, "with the beginning cut off") };
        string[] parts = [.. counted.Where(p => p.Count > 0).Select(p => $"{p.Count} {p.What}")];
        return parts.Length == 0 ? null : $"Of {rows} texts with a label: {string.Join(", ", parts)}.";
    }
}
