using System.Text.Json.Nodes;
using Parsimony.Tokens;

namespace Parsimony.Tests.Tokens;

/// <summary>
/// A tokenizer small enough to encode by hand: byte b is id b + 1, the merges are listed below, <c>&lt;|endoftext|&gt;</c> is 0,
/// four spaces are 263, two are 264, and text is brought to NFC.
/// </summary>
internal static class TinyTokenizer
{
    /// <summary>Ids 257, 258, ... in this order.</summary>
    private static readonly string[] Merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "Ã ©"];

    /// <summary>Its tokenizer.json, afresh, to be changed by a test.</summary>
    public static JsonObject Json()
    {
        var vocabulary = new JsonObject();
        for (int b = 0; b < 256; b++) vocabulary[ByteLevel.Symbol((byte)b).ToString()] = b + 1;
        for (int i = 0; i < Merges.Length; i++) vocabulary[Merges[i].Replace(" ", "")] = 257 + i;
        return new JsonObject
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray(Added(0, "<|endoftext|>", false), Added(263, "    ", true), Added(264, "  ", true)),
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray([.. Merges]) },
        };
    }

    /// <summary>The tokenizer, or one with changes.</summary>
    public static Tokenizer Load(Action<JsonObject>? change = null)
    {
        var json = Json();
        change?.Invoke(json);
        return LoadText(json.ToJsonString());
    }

    /// <summary>The tokenizer of a tokenizer.json given as text.</summary>
    public static Tokenizer LoadText(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("tokenizer.json"), json);
        return Tokenizer.Load(folder.Path);
    }

    private static JsonObject Added(int id, string content, bool normalised) => new()
    {
        ["id"] = id,
        ["content"] = content,
        ["single_word"] = false,
        ["lstrip"] = false,
        ["rstrip"] = false,
        ["normalized"] = normalised,
        ["special"] = !normalised,
    };
}
