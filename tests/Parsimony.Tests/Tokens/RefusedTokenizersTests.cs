using System.Text.Json.Nodes;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class RefusedTokenizersTests
{
    public static TheoryData<string, string, string> Faults => new()
    {
        { "model.type", "\"Unigram\"", "has a model of type 'Unigram'" },
        { "model.vocab", "{}", "has no model.vocab" },
        { "model.vocab", "{\"a\": \"b\"}", "is not a tokenizer.json (at $.model.vocab.a, line 1)" },
        { "model.vocab", "{\"a\": 1}", "has no token for the byte 0x00" },
        { "model.vocab.a", "-5", "has the token id -5, outside 0..16777215" },
        { "model.vocab.a", "2000000000", "has the token id 2000000000, outside" },
        { "model.vocab.a", "99", "gives the id 99 to two tokens, 'a' and 'b'" },
        { "model.merges", "null", "has no model.merges" },
        { "model.merges", "[\"h e\", \"h q\"]", "has the merge \"h q\" (number 1), which is not two vocabulary entries that join to a third" },
        { "model.merges", "[\"hello\"]", "has the merge \"hello\" (number 0)" },
        { "model.merges", "[[\"h\"], 7]", "has the merge [\"h\"] (number 0)" },
        { "model.merges", "[7]", "has the merge 7 (number 0)" },
        { "model.byte_fallback", "true", "sets one of dropout, continuing_subword_prefix" },
        { "model.dropout", "0.1", "sets one of dropout, continuing_subword_prefix" },
        { "pre_tokenizer", "null", "has the pre-tokenizer 'null'" },
        { "pre_tokenizer.type", "\"Metaspace\"", "has the pre-tokenizer 'Metaspace' and neither byte_fallback nor an unk_token" },
        { "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x+\"}}, {\"type\": \"ByteLevel\", \"use_regex\": false}]}", "cuts by the pattern 'x+'" },
        { "pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Whitespace\"}, {\"type\": \"ByteLevel\"}]}", "has the pre-tokenizer 'Whitespace, ByteLevel'" },
        { "normalizer", "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Strip\"}]}", "has the normalizer 'Strip'" },
        { "normalizer", "{\"type\": \"Prepend\", \"prepend\": \"_\"}", "has the normalizer 'Prepend' ({" },
        { "pre_tokenizer.use_regex", "false", "switches the ByteLevel pre-tokenizer's pattern off" },
        { "normalizer.type", "\"Lowercase\"", "has the normalizer 'Lowercase'" },
        { "added_tokens.0.lstrip", "true", "has the added token '<|endoftext|>' (id 0), which is empty or sets" },
        { "added_tokens.0.content", "\"\"", "has the added token '' (id 0), which is empty or sets" },
        { "added_tokens.0.id", "\"zero\"", "is not a tokenizer.json (at $.added_tokens[0].id, line 1)" },
        { "added_tokens.0", "null", "has an added token that is null" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_file_of_another_kind_is_refused_with_what_is_allowed(string where, string value, string fault)
    {
        var error = Assert.Throws<InvalidDataException>(() => TinyTokenizer.Load(json =>
        {
            string[] path = where.Split('.');
            JsonNode at = json;
            foreach (string step in path[..^1]) at = at is JsonArray list ? list[int.Parse(step)]! : at[step]!;
            if (at is JsonArray last) last[int.Parse(path[^1])] = JsonNode.Parse(value);
            else at[path[^1]] = JsonNode.Parse(value);
        }));
        Assert.Contains("tokenizer.json " + fault, error.Message);
        Assert.Contains("Allowed is a byte-level BPE as of GPT-2, GPT-NeoX and Pythia", error.Message);
    }

    [Theory]
    [InlineData("", "is not a tokenizer.json (at $, line 1)")]
    [InlineData("{\n\n\"model\": ", "is not a tokenizer.json (at $.model, line 3)")]
    [InlineData("[]", "is not a tokenizer.json (at $, line 1)")]
    [InlineData("null", "is not a tokenizer.json (at $, line 1)")]
    [InlineData("{}", "has no model.vocab")]
    public void A_broken_file_is_refused(string json, string fault) =>
        Assert.Contains(fault, Assert.Throws<InvalidDataException>(() => TinyTokenizer.LoadText(json)).Message);

    [Fact]
    public void A_missing_file_is_named()
    {
        var error = Assert.Throws<FileNotFoundException>(() => Tokenizer.Load("/no/such/model"));
        Assert.Equal("There is no file '/no/such/model'. Give a tokenizer.json or a model folder that holds one.", error.Message);
    }
}
