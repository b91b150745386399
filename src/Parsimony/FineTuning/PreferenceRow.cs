using System.Text.Json;

namespace Parsimony.FineTuning;

/// <summary>The texts of a preference pair, cut into prompt and continuations.</summary>
/// <param name="Prompt">The prompt; null: the tokens that both have in common at their beginning.</param>
/// <param name="Chosen">The better continuation, with the prompt where that is null.</param>
/// <param name="Rejected">The worse one, likewise.</param>
internal sealed record PreferenceRow(string? Prompt, string Chosen, string Rejected)
{
    private const string Human = "\n\nHuman:", Assistant = "\n\nAssistant:";

    /// <summary>Reads a row of one of the shapes of docs/finetuning.md.</summary>
    /// <returns>Null where the two part before the last turn.</returns>
    /// <exception cref="InvalidDataException">It is of none of them; the message names the row.</exception>
    public static PreferenceRow? Read(JsonElement? json, string where, ChatTemplate template)
    {
        if (json is not { ValueKind: JsonValueKind.Object } row || !row.TryGetProperty("chosen", out var chosen) || !row.TryGetProperty("rejected", out var rejected))
        {
            throw new InvalidDataException(JsonRows.IsLabelled(json)
                ? $"{where} is a single text with a label, as for KTO, not a pair. Pair each good text with a bad one to the same prompt as {{\"chosen\", \"rejected\"}}."
                : $"{where} is not a preference pair. Each row must have \"chosen\" and \"rejected\": texts, messages or lists of messages, with or without a \"prompt\". Correct or delete it.");
        }
        bool texts = chosen.ValueKind is JsonValueKind.String && rejected.ValueKind is JsonValueKind.String;
        bool hasHead = Head(row, out var head);
        if (!texts) return OfMessages(ChatRows.Messages(chosen, where), ChatRows.Messages(rejected, where), hasHead ? HeadMessages(row, head, where) : [],
            headMayRepeat: hasHead && head.ValueKind is JsonValueKind.String, template);
        if (JsonRows.Text(row, "chosen") is not { } better || JsonRows.Text(row, "rejected") is not { } worse) throw new InvalidDataException(
            $"{where}: chosen or rejected has half a surrogate pair in it, which is no character. Correct or delete the row.");
        if (!hasHead) return OfWholeTexts(better, worse);
        return JsonRows.Text(row, "prompt") is { } prompt ? new(prompt, better, worse)
            : new(ChatText.Prompt(HeadMessages(row, head, where), template), ChatText.Completion(better, template), ChatText.Completion(worse, template));
    }

    private static bool Head(JsonElement row, out JsonElement head)
    {
        foreach (string field in (string[])["prompt", .. ChatRows.Fields])
            if (row.TryGetProperty(field, out head) && head.ValueKind is not JsonValueKind.Null) return true;
        head = default;
        return false;
    }

    private static List<ChatMessage> HeadMessages(JsonElement row, JsonElement head, string where) =>
        JsonRows.Text(row, "prompt") is { } asked ? [new(ChatRole.User, asked)] : ChatRows.Messages(head, where);

    /// <summary>Lists of messages: their common beginning is the prompt, or the rest of it.</summary>
    private static PreferenceRow? OfMessages(
        List<ChatMessage> chosen, List<ChatMessage> rejected, List<ChatMessage> head, bool headMayRepeat, ChatTemplate template)
    {
        int common = 0;
        while (common < Math.Min(chosen.Count, rejected.Count) - 1 && chosen[common] == rejected[common]) common++;
        if (chosen.Count != common + 1 || rejected.Count != common + 1) return null;
        if (chosen[common].Role != ChatRole.Assistant || rejected[common].Role != ChatRole.Assistant) return null;
        bool repeated = (headMayRepeat && common > 0) || (head.Count > 0 && chosen.Take(Math.Min(common, head.Count)).SequenceEqual(head));
        string prompt = ChatText.Prompt([.. repeated ? [] : head, .. chosen.Take(common)], template);
        return new(prompt, ChatText.Completion(chosen[common].Content, template), ChatText.Completion(rejected[common].Content, template));
    }

    /// <summary>Whole texts. In a conversation the prompt ends with the last "Assistant:" that both have in common.</summary>
    private static PreferenceRow? OfWholeTexts(string chosen, string rejected)
    {
        if (!chosen.Contains(Assistant, StringComparison.Ordinal) || !rejected.Contains(Assistant, StringComparison.Ordinal)) return new(null, chosen, rejected);
        int common = chosen.AsSpan().CommonPrefixLength(rejected);
        int at = chosen.AsSpan(0, common).LastIndexOf(Assistant);
        if (at < 0) return null;
        at += Assistant.Length;
        var (better, worse) = (chosen[at..], rejected[at..]);
        return HasTurns(better) || HasTurns(worse) ? null : new(chosen[..at], better, worse);

        static bool HasTurns(string answer) => answer.Contains(Human, StringComparison.Ordinal) || answer.Contains(Assistant, StringComparison.Ordinal);
    }
}
