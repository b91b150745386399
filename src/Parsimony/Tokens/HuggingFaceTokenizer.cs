using System.Text;
using System.Text.Json;

namespace Parsimony.Tokens;

/// <summary>Reads a <c>tokenizer.json</c> of the kinds in use; all else is refused by name.</summary>
internal static class HuggingFaceTokenizer
{
    private const int LargestId = (1 << 24) - 1;
    private const string Allowed = "Allowed is a byte-level BPE as of GPT-2, GPT-NeoX and Pythia, Llama 3, Qwen2 or SmolLM (model BPE, pre-tokenizer ByteLevel, alone or after Digits or "
        + "one of their Split patterns, normalizer NFC or null), or a SentencePiece BPE as of Llama 2 and Mistral (byte_fallback, Metaspace or Prepend and Replace); "
        + "take the tokenizer.json that belongs to such a model.";

    private sealed record Root(List<Added>? AddedTokens, JsonElement Normalizer, JsonElement PreTokenizer, JsonElement PostProcessor, Bpe? Model);
    private sealed record Added(int Id, string? Content, bool SingleWord, bool Lstrip, bool Rstrip, bool Normalized);
    private sealed record Bpe(string? Type, Dictionary<string, int>? Vocab, JsonElement Merges, double? Dropout, string? UnkToken, bool FuseUnk,
        string? ContinuingSubwordPrefix, string? EndOfWordSuffix, bool ByteFallback, bool IgnoreMerges);

    private static readonly string[] Ends = ["<|endoftext|>", "<|end_of_text|>", "</s>"];
    private static readonly JsonSerializerOptions Snake = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads the file's bytes; <paramref name="source"/> names it in errors.</summary>
    /// <exception cref="InvalidDataException">It is no such tokenizer, or is broken.</exception>
    public static TokenizerFile Parse(ReadOnlySpan<byte> json, string source)
    {
        Root root;
        try
        {
            root = JsonSerializer.Deserialize<Root>(json.StartsWith(Encoding.UTF8.Preamble) ? json[3..] : json, Snake) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw Refuse(source, $"is not a tokenizer.json (at {e.Path ?? "$"}, line {e.LineNumber + 1 ?? 1})");
        }
        if (root.Model is not { Vocab: { Count: > 0 } vocabulary } model) throw Refuse(source, "has no model.vocab");
        if (model.Type is not (null or "BPE")) throw Refuse(source, $"has a model of type '{model.Type}'");

        var stages = new TokenizerStages(source, root.Normalizer, root.PreTokenizer, model.ByteFallback || model.UnkToken is not null);
        if (model is not { Dropout: null or 0, ContinuingSubwordPrefix: null or "", EndOfWordSuffix: null or "" } || stages.Spaces is null && model.ByteFallback)
            throw Refuse(source, "sets one of dropout, continuing_subword_prefix, end_of_word_suffix, or byte_fallback in a byte-level BPE");

        var added = CheckedAdded(root.AddedTokens ?? [], source);
        foreach (int id in vocabulary.Values.Concat(added.Select(t => t.Id)))
            if (id is < 0 or > LargestId) throw Refuse(source, $"has the token id {id}, outside 0..{LargestId}");
        for (int b = 0; b < 256; b++)
            if (stages.Spaces is not null ? model.ByteFallback && !vocabulary.ContainsKey(SentencePieceBpe.ByteEntry(b))
                : b is not (0xC0 or 0xC1 or >= 0xF5) && !vocabulary.ContainsKey(ByteLevel.Symbol((byte)b).ToString())) // those are never UTF-8
                throw Refuse(source, $"has no token for the byte 0x{b:X2}, so that not every text can be encoded");
        if (model.UnkToken is { } unknown && !vocabulary.ContainsKey(unknown) && stages.Spaces is not null && !model.ByteFallback)
            throw Refuse(source, $"has the unk_token '{unknown}', which is not in its vocabulary");

        bool allRaw = stages.Spaces is not null; // such normalizers change spaces only, and added tokens there are markup
        return new TokenizerFile(vocabulary, ReadMerges(model.Merges, vocabulary, source),
            [.. added.Where(t => allRaw || !t.Normalized).Select(Keep)], [.. added.Where(t => !allRaw && t.Normalized).Select(Keep)])
        {
            Nfc = stages.Nfc,
            AddPrefixSpace = stages.AddPrefixSpace,
            Pattern = stages.Pattern,
            DigitsApart = stages.DigitsApart,
            IgnoreMerges = model.IgnoreMerges,
            Spaces = stages.Spaces,
            ByteFallback = model.ByteFallback,
            UnknownId = model.UnkToken is { } name && vocabulary.TryGetValue(name, out int unknownId) ? unknownId : null,
            FuseUnknown = model.FuseUnk,
            BeginOfTextId = TokenizerStages.BeginToken(root.PostProcessor) is { } begin ? added.FirstOrDefault(t => t.Content == begin)?.Id : null,
            EndOfTextId = Ends.Select(end => added.FirstOrDefault(t => t.Content == end)?.Id).FirstOrDefault(id => id is not null),
        };
    }

    private static List<Added> CheckedAdded(List<Added> added, string source)
    {
        if (added.Contains(null!)) throw Refuse(source, "has an added token that is null");
        foreach (var token in added)
            if (token is not { Content.Length: > 0, SingleWord: false, Lstrip: false, Rstrip: false })
                throw Refuse(source, $"has the added token '{token.Content}' (id {token.Id}), which is empty or sets single_word, lstrip or rstrip");
        return added;
    }

    private static AddedToken Keep(Added token) => new(token.Content!, token.Id);

    private static List<(int, int, int, int)> ReadMerges(JsonElement merges, Dictionary<string, int> vocabulary, string source)
    {
        if (merges.ValueKind != JsonValueKind.Array) throw Refuse(source, "has no model.merges");
        var pairs = new List<(int, int, int, int)>(merges.GetArrayLength());
        foreach (var merge in merges.EnumerateArray())
        {
            string[] parts = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString()!.Split(' '),
                JsonValueKind.Array => [.. merge.EnumerateArray().Select(e => e.ToString())],
                _ => [],
            };
            if (parts is not [var left, var right] || !vocabulary.TryGetValue(left, out int leftId) || !vocabulary.TryGetValue(right, out int rightId)
                || !vocabulary.TryGetValue(left + right, out int joined))
                throw Refuse(source, $"has the merge {merge.GetRawText()} (number {pairs.Count}), which is not two vocabulary entries that join to a third");
            pairs.Add((leftId, rightId, pairs.Count, joined));
        }
        return pairs;
    }

    internal static InvalidDataException Refuse(string source, string fault) => new($"{source} {fault}. {Allowed}");
}
