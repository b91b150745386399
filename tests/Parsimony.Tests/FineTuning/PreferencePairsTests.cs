using System.IO.Compression;
using Parsimony.FineTuning;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class PreferencePairsTests : IDisposable
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();
    private readonly TemporaryFolder folder = new();

    private PreferenceSet Load(string rows, PreferenceOptions? options = null)
    {
        File.WriteAllText(folder.File("pairs.jsonl"), rows);
        return PreferencePairs.Load(folder.File("pairs.jsonl"), Tiny, options);
    }

    private (string Prompt, string Chosen, string Rejected) Texts(string row, PreferenceOptions? options = null)
    {
        var pair = Assert.Single(Load(row, options).Pairs);
        return (Tiny.Decode(pair.Prompt), Tiny.Decode(pair.Chosen), Tiny.Decode(pair.Rejected));
    }

    [Theory]
    [InlineData("""{"prompt": "Q:", "chosen": " yes", "rejected": " no"}""", "Q:| yes| no")]
    [InlineData("""{"chosen": "Q: yes", "rejected": "Q: no"}""", "Q: |yes|no")]                 // what both have in common at their beginning
    [InlineData("""{"chosen": "yes", "rejected": "no"}""", "|yes|no")]
    [InlineData("""{"chosen": "é1", "rejected": "è1"}""", "|é1|è1")]                             // é is one token: it is not cut within its bytes
    [InlineData("""{"chosen": " hello", "rejected": " hey"}""", "| hello| hey")]                 // the tokens differ though the letters begin alike
    [InlineData("""{"chosen": "\n\nHuman: hi\n\nAssistant: I am", "rejected": "\n\nHuman: hi\n\nAssistant: I was"}""", "\n\nHuman: hi\n\nAssistant:| I am| I was")]
    [InlineData("""{"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "rejected": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: e"}""",
        "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:| d| e")]
    [InlineData("""{"chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "y"}], "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "n"}]}""",
        "\n\nHuman: hi\n\nAssistant:| y| n")]
    [InlineData("""{"prompt": "hi", "chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "y"}], "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "n"}]}""",
        "\n\nHuman: hi\n\nAssistant:| y| n")]                                                    // as in UltraFeedback: the prompt stands there twice
    [InlineData("""{"prompt": [{"role": "system", "content": "Be."}, {"role": "user", "content": "hi"}], "chosen": [{"role": "assistant", "content": "y"}], "rejected": [{"role": "assistant", "content": "n"}]}""",
        "Be.\n\nHuman: hi\n\nAssistant:| y| n")]
    [InlineData("""{"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "y"}, "rejected": {"from": "gpt", "value": "n"}}""",
        "\n\nHuman: hi\n\nAssistant:| y| n")]
    [InlineData("""{"prompt": [{"role": "user", "content": "hi"}], "chosen": "y", "rejected": "n"}""", "\n\nHuman: hi\n\nAssistant:| y| n")]
    [InlineData("""{"prompt": "hi", "chosen": [{"role": "assistant", "content": "y"}], "rejected": [{"role": "assistant", "content": "n"}]}""", "\n\nHuman: hi\n\nAssistant:| y| n")]
    public void Every_shape_becomes_prompt_chosen_and_rejected(string row, string texts)
    {
        string[] expected = texts.Split('|');
        Assert.Equal((expected[0], expected[1] + "<|endoftext|>", expected[2] + "<|endoftext|>"), Texts(row));
    }

    [Fact]
    public void Messages_can_be_written_as_chat_ml() =>
        Assert.Equal(("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "y<|im_end|><|endoftext|>", "n<|im_end|><|endoftext|>"), Texts(
            """{"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "y"}, "rejected": {"from": "gpt", "value": "n"}}""",
            new() { ChatTemplate = ChatTemplate.ChatMl }));

    [Fact]
    public void Targets_are_the_continuation_and_begin_at_the_same_place()
    {
        var pair = Load("""{"prompt": "Q:", "chosen": "abc", "rejected": "d"}""").Pairs[0];
        Assert.Equal((2, 4), (pair.ChosenExample.FirstTarget, pair.ChosenExample.Targets));
        Assert.Equal((2, 2), (pair.RejectedExample.FirstTarget, pair.RejectedExample.Targets));
        Assert.Equal(pair.Prompt, pair.RejectedExample.Tokens[..2]);
        Assert.Equal(1, Load("""{"chosen": "abc", "rejected": "d"}""").Pairs[0].ChosenExample.FirstTarget); // nothing comes before the first
    }

    [Fact]
    public void What_cannot_be_learned_from_is_counted_and_left_out()
    {
        var set = Load("""
            {"prompt": "Q:", "chosen": "a", "rejected": "a"}
            {"prompt": "Q:", "chosen": "e\u0301", "rejected": "é"}
            {"prompt": "Q:", "chosen": "", "rejected": "a"}
            {"prompt": "Q:", "chosen": "a", "rejected": " \n"}
            {"chosen": "Q: a", "rejected": "Q:"}

            {"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "rejected": "\n\nHuman: a\n\nAssistant: e"}
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: c\n\nAssistant: d"}
            {"chosen": [{"role": "user", "content": "a"}], "rejected": [{"role": "user", "content": "b"}]}
            {"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": ""}, "rejected": {"from": "gpt", "value": "n"}}
            {"prompt": "Q:", "chosen": "12345678901", "rejected": "1"}
            {"prompt": "12345678", "chosen": "abc", "rejected": "abcd"}
            {"prompt": "Q:", "chosen": "a", "rejected": "b"}
            """, new() { SequenceLength = 11 });
        Assert.Equal((12, 2, 4, 3, 1, 1), (set.Rows, set.Same, set.Empty, set.SeveralTurns, set.TooLong, set.Truncated));
        Assert.Equal("Of 12 preference pairs: 2 left out without a difference, 4 left out with an empty continuation, 3 left out that part before the last turn, "
            + "1 left out as too long, 1 with the beginning of the prompt cut off.", set.Warning);
        Assert.Equal(["345678", "Q:"], set.Pairs.Select(p => Tiny.Decode(p.Prompt)));          // 11 - "abcd" - end of text
        Assert.Null(Load("""{"prompt": "Q:", "chosen": "a", "rejected": "b"}""").Warning);
    }

    [Fact]
    public void Long_prompts_can_be_left_out_instead()
    {
        var options = new PreferenceOptions { SequenceLength = 5, LongPrompts = LongPrompts.Drop };
        var set = Load("{\"prompt\": \"1234\", \"chosen\": \"a\", \"rejected\": \"b\"}\n{\"prompt\": \"123\", \"chosen\": \"a\", \"rejected\": \"b\"}\n", options);
        Assert.Equal((1, 1, 0), (set.Pairs.Count, set.TooLong, set.Truncated));
    }

    [Fact]
    public void The_token_that_begins_a_document_is_not_cut_off()
    {
        var begins = TinyTokenizer.Load(json => json["post_processor"] = System.Text.Json.Nodes.JsonNode.Parse("""
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [], "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
            """));
        Assert.Equal(0, begins.BeginOfTextId);
        File.WriteAllText(folder.File("pairs.jsonl"), """{"prompt": "123456", "chosen": "a", "rejected": "b"}""");
        var pair = PreferencePairs.Load(folder.File("pairs.jsonl"), begins, new() { SequenceLength = 5 }).Pairs[0];
        Assert.Equal([0, .. Tiny.Encode("56")], pair.Prompt);
    }

    [Theory]
    [InlineData("""{"prompt": "Q:", "completion": "a", "label": true}""", "line 1 is a single text with a label, as for KTO, not a pair")]
    [InlineData("""{"chosen": "a"}""", "line 1 is not a preference pair")]
    [InlineData("""{"chosen": "a", "reje""", "line 1 is not a preference pair")]
    [InlineData("[1]", "line 1 is not a preference pair")]
    [InlineData("""{"chosen": "a", "rejected": 5}""", "line 1: a message is not")]
    [InlineData("""{"chosen": "a\ud800", "rejected": "b"}""", "line 1: chosen or rejected has half a surrogate pair")]
    [InlineData("""{"prompt": "\ud800", "chosen": "a", "rejected": "b"}""", "line 1: a message is not")]
    [InlineData("""{"chosen": [{"role": "tool", "content": "a"}], "rejected": [{"role": "tool", "content": "b"}]}""", "line 1: 'tool' is no role")]
    [InlineData("""{"chosen": "a", "rejected": "a"}""", "leaves no preference pair to learn from. Of 1 preference pairs: 1 left out without a difference.")]
    [InlineData("", "leaves no preference pair to learn from. It has no rows.")]
    public void What_is_no_pair_is_named(string row, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Load(row)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_json_array_and_compressed_lines_read_the_same()
    {
        const string row = """{"prompt": "Q:", "chosen": "a", "rejected": "b"}""";
        File.WriteAllText(folder.File("a.json"), $"[{row}]");
        using (var zip = new GZipStream(File.Create(folder.File("a.jsonl.gz")), CompressionLevel.Fastest)) zip.Write(System.Text.Encoding.UTF8.GetBytes(row));
        foreach (string name in (string[])["a.json", "a.jsonl.gz"])
            Assert.Equal(Tiny.Encode("Q:"), PreferencePairs.Load(folder.File(name), Tiny).Pairs[0].Prompt);
        File.WriteAllText(folder.File("b.json"), row);
        Assert.Contains("is not a JSON array", Assert.Throws<InvalidDataException>(() => PreferencePairs.Load(folder.File("b.json"), Tiny)).Message, StringComparison.Ordinal);
        File.WriteAllText(folder.File("b.json"), row + "\n" + row);
        Assert.Contains("is not valid JSON", Assert.Throws<InvalidDataException>(() => PreferencePairs.Load(folder.File("b.json"), Tiny)).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => PreferencePairs.Load(folder.File("none.jsonl"), Tiny));
        Assert.Contains("sequence_length is 2", Assert.Throws<ArgumentException>(() => new PreferenceOptions { SequenceLength = 2 }.Validated()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_helpful_base_test_pairs_read_with_the_prompt_up_to_the_last_answer()
    {
        var pythia = Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json"));
        var set = PreferencePairs.Load(Shared.Path("data/preference/helpful-base-test.jsonl.gz"), pythia, new() { SequenceLength = 4096 });
        // Counted by a few lines of Python: 2 the same, 4 with an empty answer, 9 that part before the last turn.
        Assert.Equal((2354, 2, 4, 9, 0, 0), (set.Rows, set.Same, set.Empty, set.SeveralTurns, set.TooLong, set.Truncated));
        Assert.Equal(2339, set.Pairs.Count);
        Assert.All(set.Pairs, p => Assert.EndsWith("\n\nAssistant:", pythia.Decode(p.Prompt), StringComparison.Ordinal));
        Assert.All(set.Pairs, p => Assert.Equal((0, 0), (p.Chosen[^1], p.Rejected[^1])));
        // Tokenised apart, the parts are the tokens of the whole, but where an answer begins with more than one white space or none.
        int whole = set.Pairs.Count(p => pythia.Encode(pythia.Decode([.. p.Prompt, .. p.Chosen[..^1]])).AsSpan().SequenceEqual([.. p.Prompt, .. p.Chosen[..^1]]));
        Assert.True(whole > 0.99 * set.Pairs.Count, $"{whole} of {set.Pairs.Count}");
        var shorter = PreferencePairs.Load(Shared.Path("data/preference/helpful-base-test.jsonl.gz"), pythia, new() { SequenceLength = 256 });
        Assert.True(shorter.Truncated > 100 && shorter.Pairs.All(p => p.LongestTokens <= 256));
        Assert.Equal(2339, shorter.Pairs.Count + shorter.TooLong);
    }

    [Fact]
    public void The_share_gpt_pairs_read_and_the_kto_ones_are_named()
    {
        var pythia = Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json"));
        var set = PreferencePairs.Load(Shared.Path("data/preference/dpo_en_demo.json"), pythia, new() { SequenceLength = 100_000 });
        Assert.Equal((300, 300, null), (set.Rows, set.Pairs.Count, set.Warning));
        Assert.StartsWith("\n\nHuman: Hi! I'd like to create a new language game", pythia.Decode(set.Pairs[0].Prompt), StringComparison.Ordinal);
        Assert.StartsWith(" That sounds like a fun and engaging idea!", pythia.Decode(set.Pairs[0].Chosen), StringComparison.Ordinal);
        Assert.Contains("row 1 is a single text with a label, as for KTO", Assert.Throws<InvalidDataException>(
            () => PreferencePairs.Load(Shared.Path("data/preference/kto_en_demo.json"), pythia)).Message, StringComparison.Ordinal);
    }

    public void Dispose() => folder.Dispose();
}
