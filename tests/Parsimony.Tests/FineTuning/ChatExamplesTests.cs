using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class ChatExamplesTests
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();

    private static readonly ChatMessage[] Talk =
        [new(ChatRole.System, "Be."), new(ChatRole.User, "a"), new(ChatRole.Assistant, "bc"), new(ChatRole.User, "d"), new(ChatRole.Assistant, "e"), new(ChatRole.User, "f")];

    private static string Shown(SftExample example) =>
        string.Concat(example.Tokens.Select((id, t) => example.IsTarget(t) ? Tiny.Decode([id]).ToUpperInvariant() : Tiny.Decode([id])));

    private static List<SftExample> Load(string name, string text, int length = 200, ChatTemplate template = ChatTemplate.HumanAssistant)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File(name), text);
        return SftExamples.Load(folder.File(name), Tiny, length, template: template);
    }

    [Fact]
    public void What_the_assistant_says_is_the_target_and_nothing_else()
    {
        var example = SftExamples.Chat(Talk, ChatTemplate.HumanAssistant, Tiny, 200, "x");
        Assert.Equal("be.\n\nhuman: a\n\nassistant: BC\n\nhuman: d\n\nassistant: E<|ENDOFTEXT|>", Shown(example with { }).Replace("Be.", "be.").Replace("Human", "human").Replace("Assistant", "assistant"));
        Assert.Equal(3 + 2 + 1, example.Targets);                                                // " bc", " e", the end of text
        example = SftExamples.Chat(Talk, ChatTemplate.ChatMl, Tiny, 200, "x");
        Assert.Equal("<|im_start|>system\nBe.<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nBC<|IM_END|>\n<|im_start|>user\nd<|im_end|>\n"
            + "<|im_start|>assistant\nE<|IM_END|><|ENDOFTEXT|>", Shown(example));
        Assert.Equal(2 + 10 + 1 + 10 + 1, example.Targets);
    }

    [Fact]
    public void A_single_answer_is_a_prompt_with_its_completion()
    {
        var chat = SftExamples.Chat([new(ChatRole.User, "a"), new(ChatRole.Assistant, "b")], ChatTemplate.HumanAssistant, Tiny, 200, "x");
        var pair = SftExamples.Pair("\n\nHuman: a\n\nAssistant:", " b", Tiny, 200, "x");
        Assert.Equal(pair.Tokens, chat.Tokens);
        Assert.Equal((pair.FirstTarget, pair.Targets, null), (chat.FirstTarget, chat.Targets, chat.Mask));
    }

    [Fact]
    public void Messages_share_gpt_and_arrays_read_the_same()
    {
        const string messages = """{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}""";
        var expected = Load("a.jsonl", messages)[0];
        foreach (var (name, text) in ((string, string)[])[
            ("a.jsonl", """{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"""), ("a.json", $"[{messages}]"),
            ("a.jsonl", """{"prompt": "\n\nHuman: a\n\nAssistant:", "completion": " b"}""")])
            Assert.Equal(expected.Tokens, Assert.Single(Load(name, text)).Tokens);
        Assert.StartsWith("<|im_start|>user\na", Tiny.Decode(Load("a.jsonl", messages, template: ChatTemplate.ChatMl)[0].Tokens), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}]}""", "line 2: the assistant has no turn")]
    [InlineData("""{"messages": []}""", "line 2: the assistant has no turn")]
    [InlineData("""{"messages": [{"role": "assistant", "content": ""}]}""", "line 2: a turn of the assistant's is empty")]
    [InlineData("""{"messages": [{"role": "assistant"}]}""", "line 2: a message is not")]
    [InlineData("""{"messages": [{"role": "function", "content": "a"}]}""", "line 2: 'function' is no role")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "0123456789"}]}""", "line 2: a conversation of 24 tokens (end of text included) does not fit into a context of 22")]
    [InlineData("""{"messages": [{"role": "assistant", "content": "a"}], "label": false}""", "line 2 is rated")]
    [InlineData("""{"chosen": "a", "rejected": "b"}""", "line 2 is rated")]
    [InlineData("""{"text": "a"}""", "line 2 is not a pair")]
    public void A_row_that_cannot_be_learned_from_is_named(string row, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(
            () => Load("a.jsonl", """{"messages": [{"role": "assistant", "content": "a"}], "label": "a word, no verdict"}""" + "\n" + row, 22)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_batch_counts_masked_targets_only()
    {
        using var scope = NewDisposeScope();
        var masked = new SftExample([1, 2, 3, 4, 5], 1) { Mask = [false, true, false, true, false] };
        var batch = new SftBatch([masked, new SftExample([6, 7], 1)]);
        Assert.Equal((3, 7), (batch.Targets, batch.TokensSeen));
        using var model = Some.Model();
        var residual = Drawn.Normal(1, 2, 5, 16);
        var logp = nn.functional.log_softmax(model.Unembed(residual), -1);
        float expected = -(logp[0, 0, 2] + logp[0, 2, 4] + logp[1, 0, 7]).item<float>();
        Assert.Equal(expected, batch.LossSum(model, residual).item<float>(), 5);
    }

    [Fact]
    public void A_mask_of_another_length_is_refused()
    {
        using var model = Some.Model();
        using var sae = Some.Sae();
        using var adapter = new DialAdapter(model, [new(HookPoint.Parse("blocks.1.mlp_out"), sae)], new());
        var trainer = new SftTrainer(model, adapter, new SftOptions { Steps = 1 });
        Assert.Contains("an example of 2 tokens has a mask of 1", Assert.Throws<ArgumentException>(
            () => trainer.Train([new([1, 2], 1) { Mask = [true] }], [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_on_other_targets_is_another_run()
    {
        using var model = Some.Model();
        using var sae = Some.Sae();
        using var folder = new TemporaryFolder();
        void Train(SftExample example)
        {
            using var adapter = new DialAdapter(model, [new(HookPoint.Parse("blocks.1.mlp_out"), sae)], new());
            new SftTrainer(model, adapter, new SftOptions { Steps = 2 }).Train([example], [], folder.Path);
        }
        var example = new SftExample([1, 2, 3, 4], 1) { Mask = [false, true, false, true] };
        Train(example);
        Train(example);
        Assert.Contains("the examples differ", Assert.Throws<InvalidDataException>(
            () => Train(example with { Mask = [false, true, true, true] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_share_gpt_conversations_can_be_learned_from()
    {
        using var folder = new TemporaryFolder();
        string rows = File.ReadAllText(Shared.Path("data/preference/kto_en_demo.json"));
        var json = System.Text.Json.Nodes.JsonNode.Parse(rows)!.AsArray();
        foreach (var row in json) row!.AsObject().Remove("label");
        File.WriteAllText(folder.File("a.json"), json.ToJsonString());
        var examples = SftExamples.Load(folder.File("a.json"), Tiny, 1 << 20);
        Assert.Equal(300, examples.Count);
        Assert.All(examples, e => Assert.True(e.Targets > 0 && e.IsTarget(e.Tokens.Length - 1) && !e.IsTarget(0)));
        Assert.Contains("row 1 is rated", Assert.Throws<InvalidDataException>(
            () => SftExamples.Load(Shared.Path("data/preference/kto_en_demo.json"), Tiny, 1 << 20)).Message, StringComparison.Ordinal);
    }
}
