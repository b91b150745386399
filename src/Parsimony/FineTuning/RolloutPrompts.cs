using System.ComponentModel;
using System.Text.Json;
using Parsimony.Text;
using Parsimony.Tokens;
using Parsimony.Training;

namespace Parsimony.FineTuning;

/// <summary>How prompts are read.</summary>
public sealed record RolloutPromptOptions
{
    /// <summary>The most tokens a prompt may have, 1 or more. Default 64.</summary>
    [Description("most tokens a prompt may have")]
    public int PromptTokens { get; init; } = 64;

    /// <summary>What is done where it has more. Default truncate_left.</summary>
    [Description("where it has more: truncate_left cuts its beginning off, drop leaves it out")]
    public LongPrompts LongPrompts { get; init; } = LongPrompts.TruncateLeft;

    /// <summary>How prompts that come as lists of messages are written as text. Default human_assistant.</summary>
    [Description("how lists of messages are written as text: human_assistant or chat_ml")]
    public ChatTemplate ChatTemplate { get; init; } = ChatTemplate.HumanAssistant;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public RolloutPromptOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(PromptTokens >= 1, "prompt_tokens", PromptTokens, "1 or more");
        faults.Check(Enum.IsDefined(LongPrompts), "long_prompts", LongPrompts, "truncate_left or drop");
        faults.Check(Enum.IsDefined(ChatTemplate), "chat_template", ChatTemplate, "human_assistant or chat_ml");
        faults.ThrowIfAny("the options of prompts");
        return this;
    }
}

/// <summary>A prompt for a model to go on from.</summary>
/// <param name="Text">What it says; of a prompt that was cut, what is left.</param>
/// <param name="Tokens">Its ids, one or more.</param>
public sealed record RolloutPrompt(string Text, int[] Tokens);

/// <summary>Prompts of a file, and what of it could not be used.</summary>
public sealed record RolloutPrompts
{
    private RolloutPrompts(IReadOnlyList<RolloutPrompt> prompts, int tooLong, int truncated) => (Prompts, TooLong, Truncated) = (prompts, tooLong, truncated);

    /// <summary>The prompts, in the order of the file.</summary>
    public IReadOnlyList<RolloutPrompt> Prompts { get; }

    /// <summary>Prompts left out as too long.</summary>
    public int TooLong { get; }

    /// <summary>Prompts that lost their beginning.</summary>
    public int Truncated { get; }

    /// <summary>Reads prompts: the lines of a text, or the rows of JSON lines whose <c>prompt</c> is a text, an object with a <c>text</c> (as in
    /// RealToxicityPrompts), or a list of messages. Blank ones are passed over.</summary>
    /// <param name="path">A .txt or .jsonl file (each also .gz, .zst, .zip), or a .json file that is an array.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">How they are read.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A row has no prompt (the message names it), or no prompt is left.</exception>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public static RolloutPrompts Load(string path, Tokenizer tokenizer, RolloutPromptOptions? options = null)
    {
        options = (options ?? new()).Validated();
        if (!File.Exists(path)) throw new FileNotFoundException($"There is no file '{path}'. Give prompts: a .txt with one on each line, or a .jsonl whose rows have a \"prompt\".", path);
        var prompts = new List<RolloutPrompt>();
        int tooLong = 0, truncated = 0;
        foreach (string text in JsonRows.IsOne(path) ? Rows(path, options.ChatTemplate) : Lines(path))
        {
            if (string.IsNullOrWhiteSpace(text)) continue;
            int[] ids = tokenizer.EncodeDocument(text), cut = PromptFit.Cut(ids, options.PromptTokens, tokenizer);
            bool fits = cut.Length == ids.Length;
            if (fits) prompts.Add(new(text, ids));
            else if (options.LongPrompts == LongPrompts.Drop) tooLong++;
            else
            {
                truncated++;
                prompts.Add(new(tokenizer.Decode(cut), cut));
            }
        }
        return prompts.Count > 0 ? new(prompts, tooLong, truncated) : throw new InvalidDataException(
            $"'{path}' has no prompt to go on from{(tooLong > 0 ? $": all {tooLong} are longer than {options.PromptTokens} tokens" : "")}. Give other prompts{(tooLong > 0 ? ", or raise prompt_tokens" : "")}.");
    }

    /// <summary>Holds a share of the prompts out, the same for the same seed. With a share of 0 or a single prompt both sides are all of them.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="heldOutFraction">0 or more and below 1.</param>
    /// <param name="seed">Decides which.</param>
    public static (IReadOnlyList<RolloutPrompt> Train, IReadOnlyList<RolloutPrompt> HeldOut) Split(IReadOnlyList<RolloutPrompt> prompts, double heldOutFraction, long seed)
    {
        if (heldOutFraction == 0 || prompts.Count < 2) return (prompts, prompts);
        var (train, heldOut) = HoldOut.Split(prompts, heldOutFraction, seed);
        return (train, heldOut);
    }

    private static IEnumerable<string> Lines(string path)
    {
        using var reader = TextFile.Open(path);
        foreach (string line in TextLines.Whole(reader, path)) yield return line;
    }

    private static IEnumerable<string> Rows(string path, ChatTemplate template)
    {
        foreach (var (row, where) in JsonRows.Read(path))
            yield return row is not { } json ? throw NotOne(where)
                : JsonRows.Text(json, "prompt") is { } text ? text
                : !JsonRows.Has(json, "prompt") ? throw NotOne(where)
                : json.GetProperty("prompt") is { ValueKind: JsonValueKind.Array } turns ? ChatText.Prompt(ChatRows.Messages(turns, where), template)
                : JsonRows.Text(json.GetProperty("prompt"), "text") ?? throw NotOne(where);
    }

    private static InvalidDataException NotOne(string where) => new(
        $"{where} has no prompt. Each row must be {{\"prompt\": \"...\"}}, a text, an object with a \"text\", or a list of messages; correct or delete it.");
}
