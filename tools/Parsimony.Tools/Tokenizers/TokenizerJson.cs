using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Tokens;

namespace Parsimony.Tools.Tokenizers;

/// <summary>Writes a vocabulary as the <c>tokenizer.json</c> that Hugging Face's tokenizers read, in GPT-NeoX's form.</summary>
public static class TokenizerJson
{
    /// <summary>The token between documents, id 0.</summary>
    public const string EndOfText = "<|endoftext|>";

    private static readonly JsonSerializerOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
        IndentSize = 1,
        NewLine = "\n",
    };

    /// <summary>The file's text.</summary>
    public static string Write(BpeVocabulary vocabulary)
    {
        var names = vocabulary.Tokens.Select((t, id) => id == 0 ? EndOfText : Name(t)).ToArray();
        var vocab = new JsonObject();
        for (int id = 0; id < names.Length; id++) vocab[names[id]] = id;
        var merges = new JsonArray([.. vocabulary.Merges.Select(m => (JsonNode)$"{names[m.Left]} {names[m.Right]}")]);
        var file = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(new JsonObject
            {
                ["id"] = 0,
                ["content"] = EndOfText,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            }),
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = ByteLevelPart(),
            ["post_processor"] = ByteLevelPart(),
            ["decoder"] = ByteLevelPart(),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["vocab"] = vocab,
                ["merges"] = merges,
            },
        };
        return file.ToJsonString(Options) + "\n";
    }

    private static string Name(byte[] token) => string.Concat(token.Select(ByteLevel.Symbol));

    private static JsonObject ByteLevelPart() => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true };
}
