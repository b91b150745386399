using System.Text.Json;

namespace Parsimony.Tokens;

/// <summary>What a <c>tokenizer.json</c> does to a text before merging: its <c>normalizer</c> and <c>pre_tokenizer</c>, single or in sequence.</summary>
internal sealed class TokenizerStages
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", Words = @"|[^\r\n\p{L}\p{N}]?\p{L}+|", Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Regular expressions of Split pre-tokenizers, which are told by their text alone.</summary>
    private static readonly Dictionary<string, SplitPattern> Patterns = new(StringComparer.Ordinal)
    {
        [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = SplitPattern.Gpt2,
        [Contractions + Words + @"\p{N}{1,3}" + Rest] = SplitPattern.Llama3,
        [Contractions + Words + @"\p{N}" + Rest] = SplitPattern.Qwen2,
    };

    private readonly string source;

    public TokenizerStages(string source, JsonElement normalizer, JsonElement preTokenizer, bool knowsEveryCharacter)
    {
        this.source = source;
        char? space = null;
        var prefix = SpacePrefix.Never;
        foreach (var stage in Steps(normalizer, "normalizers"))
        {
            string type = Type(stage);
            if (type == "NFC") Nfc = true;
            else if (type == "Prepend" && Text(stage, "prepend") == "▁") prefix = SpacePrefix.PartsAnyway;
            else if (type == "Replace" && PatternOf(stage, "String") == " " && Text(stage, "content") == "▁") space = '▁';
            else throw HuggingFaceTokenizer.Refuse(source, $"has the normalizer '{type}'{(type is "Prepend" or "Replace" ? $" ({stage.GetRawText()})" : "")}");
        }

        var steps = Steps(preTokenizer, "pretokenizers");
        string names = steps.Count == 0 ? "null" : string.Join(", ", steps.Select(Type));
        if (steps is [var only] && Type(only) == "Metaspace")
        {
            if (Text(only, "replacement") is not ("▁" or "")) throw HuggingFaceTokenizer.Refuse(source, $"has a Metaspace that writes a space as '{Text(only, "replacement")}'");
            string scheme = Text(only, "prepend_scheme") is { Length: > 0 } named ? named : Flag(only, "add_prefix_space", true) ? "always" : "never";
            prefix = scheme switch
            {
                "always" => SpacePrefix.Parts,
                "first" => SpacePrefix.First,
                "never" => SpacePrefix.Never,
                _ => throw HuggingFaceTokenizer.Refuse(source, $"has a Metaspace with the prepend_scheme '{scheme}'"),
            };
            Spaces = new SpaceRule('▁', prefix, Flag(only, "split", true));
        }
        else if (steps.Count == 0 && space is { } written) Spaces = new SpaceRule(written, prefix, SplitsWords: false);
        else if (prefix != SpacePrefix.Never || space is not null) throw HuggingFaceTokenizer.Refuse(source, $"has normalizers for spaces and the pre-tokenizer '{names}'");
        else ByteLevelStages(steps, names);
        if (Spaces is not null && !knowsEveryCharacter)
            throw HuggingFaceTokenizer.Refuse(source, $"has the pre-tokenizer '{names}' and neither byte_fallback nor an unk_token");
    }

    /// <summary>Whether text is brought to form C.</summary>
    public bool Nfc { get; }

    /// <summary>SentencePiece's treatment of spaces; null for byte level.</summary>
    public SpaceRule? Spaces { get; }

    /// <summary>How byte-level text is cut.</summary>
    public SplitPattern Pattern { get; private set; }

    /// <summary>Whether each digit is cut out first.</summary>
    public bool DigitsApart { get; private set; }

    /// <summary>Whether a text gets a space in front.</summary>
    public bool AddPrefixSpace { get; private set; }

    /// <summary>The token that a <c>TemplateProcessing</c> puts before a single text; null for none.</summary>
    public static string? BeginToken(JsonElement postProcessor)
    {
        foreach (var step in Steps(postProcessor, "processors"))
            if (Type(step) == "TemplateProcessing" && step.TryGetProperty("single", out var single) && single.ValueKind == JsonValueKind.Array && single.GetArrayLength() > 0
                && single[0].ValueKind == JsonValueKind.Object && single[0].TryGetProperty("SpecialToken", out var token))
                return Text(token, "id");
        return null;
    }

    private void ByteLevelStages(List<JsonElement> steps, string names)
    {
        bool cut = false;
        for (int i = 0; i < steps.Count; i++)
        {
            var step = steps[i];
            bool last = i == steps.Count - 1;
            switch (Type(step))
            {
                case "ByteLevel" when last:
                    AddPrefixSpace = Flag(step, "add_prefix_space", true);
                    if (Flag(step, "use_regex", true) == cut)
                        throw HuggingFaceTokenizer.Refuse(source, cut ? "cuts by a Split and by the ByteLevel pre-tokenizer's own pattern (use_regex true)"
                            : "switches the ByteLevel pre-tokenizer's pattern off (use_regex false)");
                    return;
                case "Split" when !last && !cut:
                    string regex = PatternOf(step, "Regex");
                    if (!Patterns.TryGetValue(regex, out var pattern)) throw HuggingFaceTokenizer.Refuse(source, $"cuts by the pattern '{regex}'");
                    if (Text(step, "behavior") != "Isolated" || Flag(step, "invert", false))
                        throw HuggingFaceTokenizer.Refuse(source, $"has a Split with the behavior '{Text(step, "behavior")}'{(Flag(step, "invert", false) ? ", inverted" : "")}");
                    (Pattern, cut) = (pattern, true);
                    break;
                case "Digits" when !last && i == 0 && Flag(step, "individual_digits", false):
                    DigitsApart = true;
                    break;
                default:
                    throw HuggingFaceTokenizer.Refuse(source, $"has the pre-tokenizer '{names}'");
            }
        }
        throw HuggingFaceTokenizer.Refuse(source, $"has the pre-tokenizer '{names}'");
    }

    private static List<JsonElement> Steps(JsonElement stage, string inner) => stage.ValueKind != JsonValueKind.Object ? []
        : Type(stage) == "Sequence" && stage.TryGetProperty(inner, out var steps) && steps.ValueKind == JsonValueKind.Array
            ? [.. steps.EnumerateArray().SelectMany(step => Steps(step, inner))] : [stage];

    private static string Type(JsonElement stage) => Text(stage, "type");

    private static string Text(JsonElement stage, string name) =>
        stage.ValueKind == JsonValueKind.Object && stage.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string PatternOf(JsonElement stage, string kind) => stage.TryGetProperty("pattern", out var pattern) ? Text(pattern, kind) : "";

    private static bool Flag(JsonElement stage, string name, bool otherwise) => stage.TryGetProperty(name, out var value)
        ? value.ValueKind == JsonValueKind.True || value.ValueKind != JsonValueKind.False && otherwise : otherwise;
}
