using System.Text;
using System.Text.Json;

namespace Parsimony.Tokens;

/// <summary>What a tokenizer.json says, when it is a byte-level BPE of the GPT-2 and GPT-NeoX family; all else is refused.</summary>
/// <param name="Vocabulary">Entry in the byte-level alphabet to id.</param>
/// <param name="Merges">Pairs of entries, <c>"a b"</c>, the earliest first.</param>
/// <param name="Raw">Added tokens found in the text as it came.</param>
/// <param name="Normalised">Added tokens found in the text after normalisation.</param>
/// <param name="Nfc">Whether the text is brought to normalisation form C.</param>
/// <param name="AddPrefixSpace">Whether a text that does not start with a space gets one.</param>
internal sealed record TokenizerFile(Dictionary<string, int> Vocabulary, IReadOnlyList<string> Merges,
    IReadOnlyList<AddedToken> Raw, IReadOnlyList<AddedToken> Normalised, bool Nfc, bool AddPrefixSpace)
{
    private const int LargestId = (1 << 24) - 1;
    private const string Allowed = "Allowed is a byte-level BPE as of GPT-2, GPT-NeoX and Pythia (model BPE, pre-tokenizer ByteLevel, "
        + "normalizer NFC or null); take the tokenizer.json that belongs to such a model.";

    private sealed record Root(List<Added>? AddedTokens, Normalizer? Normalizer, PreTokenizer? PreTokenizer, Bpe? Model);
    private sealed record Added(int Id, string? Content, bool SingleWord, bool Lstrip, bool Rstrip, bool Normalized);
    private sealed record Normalizer(string? Type);
    private sealed record PreTokenizer(string? Type, bool AddPrefixSpace = true, bool UseRegex = true);
    private sealed record Bpe(string? Type, Dictionary<string, int>? Vocab, JsonElement Merges, double? Dropout,
        string? ContinuingSubwordPrefix, string? EndOfWordSuffix, bool ByteFallback, bool IgnoreMerges);

    private static readonly JsonSerializerOptions Snake = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads the file's bytes; <paramref name="source"/> names it in errors.</summary>
    /// <exception cref="InvalidDataException">It is no such tokenizer, or is broken.</exception>
    public static TokenizerFile Parse(ReadOnlySpan<byte> json, string source)
    {
        Root root;
        try
        {
            root = JsonSerializer.Deserialize<Root>(json.StartsWith(Encoding.UTF8.Preamble) ? json[3..] : json, Snake)
                ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw Refuse(source, $"is not a tokenizer.json (at {e.Path ?? "$"}, line {e.LineNumber + 1 ?? 1})");
        }

        if (root.Model is not { Vocab: { Count: > 0 } vocabulary } model) throw Refuse(source, "has no model.vocab");
        if (model.Type is not (null or "BPE")) throw Refuse(source, $"has a model of type '{model.Type}'");
        if (root.PreTokenizer is not { Type: "ByteLevel" } pre)
            throw Refuse(source, $"has the pre-tokenizer '{root.PreTokenizer?.Type ?? "null"}'");
        if (!pre.UseRegex) throw Refuse(source, "switches the ByteLevel pre-tokenizer's pattern off (use_regex false)");
        if (root.Normalizer is not (null or { Type: "NFC" })) throw Refuse(source, $"has the normalizer '{root.Normalizer.Type}'");
        if (model is not { Dropout: null or 0, ContinuingSubwordPrefix: null or "", EndOfWordSuffix: null or "", ByteFallback: false, IgnoreMerges: false })
            throw Refuse(source, "sets one of dropout, continuing_subword_prefix, end_of_word_suffix, byte_fallback, ignore_merges");

        var added = root.AddedTokens ?? [];
        if (added.Contains(null!)) throw Refuse(source, "has an added token that is null");
        foreach (var token in added)
            if (token is not { Content.Length: > 0, SingleWord: false, Lstrip: false, Rstrip: false })
                throw Refuse(source, $"has the added token '{token.Content}' (id {token.Id}), which is empty or sets single_word, lstrip or rstrip");
        foreach (int id in vocabulary.Values.Concat(added.Select(t => t.Id)))
            if (id is < 0 or > LargestId) throw Refuse(source, $"has the token id {id}, outside 0..{LargestId}");
        for (int b = 0; b < 256; b++)
            if (b is not (0xC0 or 0xC1 or >= 0xF5) && !vocabulary.ContainsKey(ByteLevel.Symbol((byte)b).ToString()))  // those are never UTF-8
                throw Refuse(source, $"has no token for the byte 0x{b:X2}, so that not every text can be encoded");

        return new(vocabulary, ReadMerges(model.Merges, vocabulary, source), [.. added.Where(t => !t.Normalized).Select(Keep)],
            [.. added.Where(t => t.Normalized).Select(Keep)], root.Normalizer is not null, pre.AddPrefixSpace);
    }

    private static AddedToken Keep(Added token) => new(token.Content!, token.Id);

    private static List<string> ReadMerges(JsonElement merges, Dictionary<string, int> vocabulary, string source)
    {
        if (merges.ValueKind != JsonValueKind.Array) throw Refuse(source, "has no model.merges");
        var pairs = new List<string>(merges.GetArrayLength());
        foreach (var merge in merges.EnumerateArray())
        {
            string pair = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString()!,
                JsonValueKind.Array => string.Join(' ', merge.EnumerateArray().Select(e => e.ToString())),
                _ => "",
            };
            if (pair.Split(' ') is not [var left, var right] || !vocabulary.ContainsKey(left) || !vocabulary.ContainsKey(right)
                || !vocabulary.ContainsKey(left + right))
                throw Refuse(source, $"has the merge {merge.GetRawText()} (number {pairs.Count}), which is not two vocabulary entries that join to a third");
            pairs.Add(pair);
        }
        return pairs;
    }

    internal static InvalidDataException Refuse(string source, string fault) => new($"{source} {fault}. {Allowed}");
}
