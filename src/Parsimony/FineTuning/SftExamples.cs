using System.Text.Json;
using Parsimony.Text;
using Parsimony.Tokens;

namespace Parsimony.FineTuning;

/// <summary>Reads examples to fine-tune on.</summary>
public static class SftExamples
{
    /// <summary>
    /// Reads a text (packed into contexts, every token a target) or, where the first line of a .jsonl, .jsonl.gz or .jsonl.zst has the fields
    /// <c>prompt</c> and <c>completion</c>, pairs of which only the completion and the end of text after it are targets.
    /// </summary>
    /// <param name="path">A text, as <see cref="Corpus.Open"/> takes it.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="sequenceLength">Tokens per context, 2 or more.</param>
    /// <param name="text">How documents are told apart in a text file.</param>
    /// <exception cref="InvalidDataException">Names the line: not such an object, an empty completion, or longer than a context;
    /// or the text is shorter than one context.</exception>
    public static List<SftExample> Load(string path, Tokenizer tokenizer, int sequenceLength, TextOptions? text = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 2);
        if (!HoldsPairs(path)) return [.. ContextPacker.PackFile(path, tokenizer, sequenceLength, text).Select(c => new SftExample(c, 1))];

        var examples = new List<SftExample>();
        int number = 0;
        foreach (string line in Lines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            string where = $"{path} line {number}";
            var (prompt, completion) = ReadPair(line, where);
            examples.Add(Pair(prompt, completion, tokenizer, sequenceLength, where));
        }
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
        int[] head = tokenizer.EncodeDocument(prompt), tail = tokenizer.Encode(completion);
        int[] tokens = tokenizer.EndOfTextId is { } end ? [.. head, .. tail, end] : [.. head, .. tail];
        if (tokens.Length > sequenceLength) throw new InvalidDataException(
            $"{where}: {head.Length} prompt and {tokens.Length - head.Length} completion tokens (end of text included) do not fit into a "
            + $"context of {sequenceLength}. Shorten it, or raise sequence_length up to the model's limit.");
        int first = Math.Max(1, head.Length);
        return first < tokens.Length ? new SftExample(tokens, first) : throw new InvalidDataException(
            $"{where}: one token without a prompt has nothing it could be predicted from. Add a prompt or remove the line.");
    }

    /// <summary>Holds some examples out, drawn by the seed; both parts keep the order they had.</summary>
    /// <param name="examples">All examples, 2 or more unless the fraction is 0.</param>
    /// <param name="heldOutFraction">Share to hold out, 0 to below 1; above 0 it is at least one example and leaves at least one.</param>
    /// <param name="seed">Decides which.</param>
    public static (List<SftExample> Train, List<SftExample> HeldOut) Split(IReadOnlyList<SftExample> examples, double heldOutFraction, long seed)
    {
        if (heldOutFraction is not (>= 0 and < 1)) throw new ArgumentOutOfRangeException(
            nameof(heldOutFraction), heldOutFraction, "the held-out fraction must be 0 or more and below 1.");
        if (heldOutFraction == 0) return ([.. examples], []);
        if (examples.Count < 2) throw new ArgumentException(
            $"{examples.Count} example(s) cannot be split into training and held-out ones. Give more data or a held-out file.", nameof(examples));
        int count = Math.Clamp((int)Math.Round(examples.Count * heldOutFraction), 1, examples.Count - 1);
        var chosen = Permutation.Draw(examples.Count, seed, RandomUse.HoldOut, 0).Take(count).ToHashSet();
        return ([.. examples.Where((_, i) => !chosen.Contains(i))], [.. examples.Where((_, i) => chosen.Contains(i))]);
    }

    private static readonly string[] JsonLineEnds = [".jsonl", ".jsonl.gz", ".jsonl.zst"];

    private static bool HoldsPairs(string path)
    {
        bool isJsonLines = JsonLineEnds.Any(end => path.EndsWith(end, StringComparison.OrdinalIgnoreCase));
        if (!isJsonLines || !File.Exists(path)) return false; // the reader of documents says what is missing
        try
        {
            using var json = JsonDocument.Parse(Lines(path).FirstOrDefault(line => !string.IsNullOrWhiteSpace(line)) ?? "");
            return json.RootElement.ValueKind is JsonValueKind.Object
                && (json.RootElement.TryGetProperty("completion", out _) || json.RootElement.TryGetProperty("prompt", out _));
        }
        catch (JsonException)
        {
            return false; // nor does this say better what is wrong with it
        }
    }

    private static (string Prompt, string Completion) ReadPair(string line, string where)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            if (json.RootElement.ValueKind is JsonValueKind.Object
                && json.RootElement.TryGetProperty("prompt", out var prompt) && prompt.ValueKind is JsonValueKind.String
                && json.RootElement.TryGetProperty("completion", out var completion) && completion.ValueKind is JsonValueKind.String)
                return (prompt.GetString()!, completion.GetString()!);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter for half a surrogate pair
        {
        }
        throw new InvalidDataException($"{where} is not a pair. Each line must be {{\"prompt\": \"...\", \"completion\": \"...\"}}, both "
            + "strings; correct or delete the line.");
    }

    private static IEnumerable<string> Lines(string path)
    {
        using var reader = TextFile.Open(path);
        foreach (string line in TextLines.Whole(reader, path)) yield return line;
    }
}
