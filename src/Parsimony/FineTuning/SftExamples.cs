using System.Text.Json;
using Parsimony.Text;
using Parsimony.Tokens;

namespace Parsimony.FineTuning;

/// <summary>Reads examples to fine-tune on.</summary>
public static class SftExamples
{
    /// <summary>
    /// Reads a text (packed into contexts, every token a target); or rows, JSON lines or a .json array, of which only what the model is to say and the end of
    /// text after it are targets: pairs of <c>prompt</c> and <c>completion</c>, or conversations under <c>messages</c> or <c>conversations</c>. The first row
    /// tells which.
    /// </summary>
    /// <param name="path">A text, as <see cref="Corpus.Open"/> takes it, or rows.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="sequenceLength">Tokens per context, 2 or more.</param>
    /// <param name="text">How documents are told apart in a text file.</param>
    /// <param name="template">How conversations are written as text.</param>
    /// <exception cref="InvalidDataException">Names the row: not of this kind, nothing to say, or longer than a context; or the text is shorter than one context.</exception>
    public static List<SftExample> Load(
        string path, Tokenizer tokenizer, int sequenceLength, TextOptions? text = null, ChatTemplate template = ChatTemplate.HumanAssistant)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 2);
        if (!HoldsRows(path)) return [.. ContextPacker.PackFile(path, tokenizer, sequenceLength, text).Select(c => new SftExample(c, 1))];

        var examples = new List<SftExample>();
        foreach (var (row, where) in JsonRows.Read(path)) examples.Add(Example(row, tokenizer, sequenceLength, template, where));
        return examples;
    }

    /// <summary>One prompt with its completion. They are tokenised apart, as at generation, and the end of text is appended and learnt.</summary>
    /// <param name="prompt">May be empty; then the completion's first token has nothing to be predicted from and is no target.</param>
    /// <param name="completion">Not empty.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="sequenceLength">The most tokens the two may have together.</param>
    /// <param name="where">Where the pair came from, for error messages.</param>
    /// <exception cref="InvalidDataException">The completion is empty, or the two are longer than a context.</exception>
    public static SftExample Pair(string prompt, string completion, Tokenizer tokenizer, int sequenceLength, string where)
    {
        if (completion.Length == 0) throw new InvalidDataException(
            $"{where}: the completion is empty, so there is nothing to learn. Fill it or remove the line.");
        int[] head = tokenizer.EncodeDocument(prompt);
        List<int> tokens = [.. head];
        tokenizer.Encode(completion, tokens, startsText: false);
        if (tokenizer.EndOfTextId is { } end) tokens.Add(end);
        if (tokens.Count > sequenceLength) throw new InvalidDataException(
            $"{where}: {head.Length} prompt and {tokens.Count - head.Length} completion tokens (end of text included) do not fit into a "
            + $"context of {sequenceLength}. Shorten it, or raise sequence_length up to the model's limit.");
        int first = Math.Max(1, head.Length);
        return first < tokens.Count ? new SftExample([.. tokens], first) : throw new InvalidDataException(
            $"{where}: one token without a prompt has nothing it could be predicted from. Add a prompt or remove the line.");
    }

    /// <summary>A conversation. What the assistant says is the target, each turn and after the last the end of text; all else is only read. The parts are
    /// tokenised apart, as at generation, and what follows the last turn of the assistant's is left off.</summary>
    /// <param name="messages">The turns.</param>
    /// <param name="template">How they are written as text.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="sequenceLength">The most tokens all may have together.</param>
    /// <param name="where">Where the conversation came from, for error messages.</param>
    /// <exception cref="InvalidDataException">The assistant says nothing, or all is longer than a context.</exception>
    public static SftExample Chat(IReadOnlyList<ChatMessage> messages, ChatTemplate template, Tokenizer tokenizer, int sequenceLength, string where)
    {
        if (!messages.Any(m => m.Role == ChatRole.Assistant)) throw new InvalidDataException(
            $"{where}: the assistant has no turn, so there is nothing to learn. Add one or remove the row.");
        if (messages.Any(m => m.Role == ChatRole.Assistant && m.Content.Length == 0)) throw new InvalidDataException(
            $"{where}: a turn of the assistant's is empty. Fill it or remove the row.");
        var parts = ChatText.Parts(messages, template);
        if (!parts[^1].BySelf) parts = [.. parts.SkipLast(1)];

        List<int> tokens = [.. tokenizer.EncodeDocument(parts[0].Text)];
        int first = tokens.Count;
        var mask = new List<bool>(Enumerable.Repeat(false, first));
        foreach (var (text, bySelf) in parts.Skip(1))
        {
            tokenizer.Encode(text, tokens, startsText: false);
            mask.AddRange(Enumerable.Repeat(bySelf, tokens.Count - mask.Count));
        }
        if (tokenizer.EndOfTextId is { } end)
        {
            tokens.Add(end);
            mask.Add(true);
        }
        return tokens.Count <= sequenceLength ? new SftExample([.. tokens], first) { Mask = mask.Skip(first).Contains(false) ? [.. mask] : null } : throw new InvalidDataException(
            $"{where}: a conversation of {tokens.Count} tokens (end of text included) does not fit into a context of {sequenceLength}. "
            + "Shorten it, or raise sequence_length up to the model's limit.");
    }

    private static bool HoldsRows(string path)
    {
        if (!JsonRows.IsOne(path) || !File.Exists(path)) return false; // the reader of documents says what is missing
        var first = JsonRows.Read(path).Select(row => row.Row?.Clone()).FirstOrDefault();
        return ((string[])["completion", "prompt", .. ChatRows.Fields]).Any(field => JsonRows.Has(first, field));
    }

    private static SftExample Example(JsonElement? row, Tokenizer tokenizer, int sequenceLength, ChatTemplate template, string where)
    {
        if (JsonRows.Has(row, "chosen") || JsonRows.Has(row, "rejected") || JsonRows.IsLabelled(row)) throw new InvalidDataException(
            $"{where} is rated (chosen and rejected, or a label): good and bad alike would be learnt. Keep the good ones as prompt and completion or as messages, without the rating.");
        if (row is { } json && ChatRows.Fields.FirstOrDefault(field => JsonRows.Has(json, field)) is { } turns)
            return Chat(ChatRows.Messages(json.GetProperty(turns), where), template, tokenizer, sequenceLength, where);
        if (row is { } pair && JsonRows.Text(pair, "prompt") is { } prompt && JsonRows.Text(pair, "completion") is { } completion)
            return Pair(prompt, completion, tokenizer, sequenceLength, where);
        throw new InvalidDataException($"{where} is not a pair. Each row must be {{\"prompt\": \"...\", \"completion\": \"...\"}}, both "
            + "texts, or {\"messages\": [{\"role\": \"user\", \"content\": \"...\"}, ...]}; correct or delete it.");
    }
}
