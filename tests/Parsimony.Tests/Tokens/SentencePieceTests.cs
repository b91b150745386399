using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

/// <summary>Ids derived by hand: &lt;unk&gt; 0, &lt;s&gt; 1, &lt;/s&gt; 2, byte b is 3 + b, then the characters and words below.</summary>
public sealed class SentencePieceTests
{
    private static readonly string[] Words = ["▁", "a", "b", "c", "ab", "▁a", "▁ab", "abc", "▁▁"]; // ids 259, 260, ...

    private const string Legacy = """{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}""";

    private static Tokenizer Load(string normalizer, string preTokenizer, Action<JsonObject>? change = null)
    {
        var vocabulary = new JsonObject { ["<unk>"] = 0, ["<s>"] = 1, ["</s>"] = 2 };
        for (int b = 0; b < 256; b++) vocabulary[$"<0x{b:X2}>"] = 3 + b;
        for (int i = 0; i < Words.Length; i++) vocabulary[Words[i]] = 259 + i;
        JsonObject Special(int id, string content) => new() { ["id"] = id, ["content"] = content, ["normalized"] = false, ["special"] = true };
        var json = new JsonObject
        {
            ["added_tokens"] = new JsonArray(Special(0, "<unk>"), Special(1, "<s>"), Special(2, "</s>")),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["post_processor"] = JsonNode.Parse("""{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = true,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray("a b", "▁ ab", "ab c", "▁ ▁"),
            },
        };
        change?.Invoke(json);
        return TinyTokenizer.LoadText(json.ToJsonString());
    }

    [Theory]
    [InlineData("ab", new[] { 265 })]
    [InlineData("abc", new[] { 265, 262 })]           // "▁ ab" comes before "ab c"
    [InlineData(" ab", new[] { 259, 265 })]           // Prepend puts one even before a space
    [InlineData("ab  ab", new[] { 265, 259, 265 })]
    [InlineData("é", new[] { 259, 3 + 0xC3, 3 + 0xA9 })]
    [InlineData("ab</s>ab", new[] { 265, 2, 265 })]
    [InlineData("", new int[0])]
    public void Ids_of_the_old_layout_are_those_derived_by_hand(string text, int[] ids) => Assert.Equal(ids, Load(Legacy, "null").Encode(text));

    [Theory]
    [InlineData("always", "ab ab", new[] { 265, 265 })]
    [InlineData("always", " ab", new[] { 265 })]
    [InlineData("always", "ab</s>ab", new[] { 265, 2, 265 })]
    [InlineData("first", "ab</s>ab", new[] { 265, 2, 263 })]
    [InlineData("never", "ab", new[] { 263 })]
    public void Metaspace_puts_a_space_in_front_by_its_scheme(string scheme, string text, int[] ids) =>
        Assert.Equal(ids, Load("null", $$"""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{{scheme}}", "split": true}""").Encode(text));

    [Fact]
    public void A_split_metaspace_keeps_tokens_within_a_word_and_an_unsplit_one_does_not()
    {
        string Space(string split) => $$"""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": {{split}}}""";
        Assert.Equal([260, 259, 259, 260], Load("null", Space("true")).Encode("a  a"));
        Assert.Equal([260, 267, 260], Load("null", Space("false")).Encode("a  a"));
    }

    [Fact]
    public void Without_byte_fallback_what_has_no_token_is_unknown() => Assert.Equal([259, 0, 260],
        Load(Legacy, "null", json => json["model"]!["byte_fallback"] = false).Encode("éèa"));

    [Fact]
    public void Any_text_comes_back_with_the_space_put_in_front()
    {
        var tokenizer = Load(Legacy, "null");
        TokenizerTests.AnyText.Where(t => t.Length > 0 && !t.Contains('▁')).Sample(text =>
            tokenizer.DecodeBytes(tokenizer.Encode(text)).AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(" " + text)), iter: 500, threads: 1);
    }

    [Fact]
    public void The_begin_and_end_of_a_document_are_known_and_contexts_have_both()
    {
        var tokenizer = Load(Legacy, "null");
        Assert.Equal((1, 2), (tokenizer.BeginOfTextId, tokenizer.EndOfTextId));
        Assert.Equal([1, 265], tokenizer.EncodeDocument("ab"));
        Assert.Equal([1, 265], tokenizer.EncodeDocument("<s>ab"));
        Assert.Equal(1, tokenizer.StartId);
        Assert.Equal([1], tokenizer.EncodePrompt(""));
        Assert.Equal([1, 265, 2, 1, 265, 2], ContextPacker.Pack([new("ab", true), new("ab", true)], tokenizer, 6).Single());
    }
}
