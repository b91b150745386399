using Parsimony.FineTuning;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning;

public sealed class RolloutPromptsTests
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();

    private static RolloutPrompts Load(string name, string text, RolloutPromptOptions? options = null)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File(name), text);
        return RolloutPrompts.Load(folder.File(name), Tiny, options);
    }

    [Fact]
    public void Lines_and_rows_are_prompts()
    {
        var lines = Load("p.txt", "Once upon \r\n\n  \nhello\n");
        Assert.Equal(["Once upon ", "hello"], lines.Prompts.Select(p => p.Text));
        Assert.Equal(Tiny.Encode("hello"), lines.Prompts[1].Tokens);
        var rows = Load("p.jsonl", """
            {"prompt": "Once\nupon", "more": 1}
            {"prompt": {"text": "hello", "toxicity": 0.1}}
            {"prompt": [{"role": "user", "content": "hi"}]}
            """);
        Assert.Equal(["Once\nupon", "hello", "\n\nHuman: hi\n\nAssistant:"], rows.Prompts.Select(p => p.Text));
        Assert.Equal((0, 0), (rows.TooLong, rows.Truncated));
    }

    [Fact]
    public void Long_prompts_lose_their_beginning_or_are_left_out()
    {
        var cut = Load("p.txt", "123456\nab\n", new() { PromptTokens = 3 });
        Assert.Equal(["456", "ab"], cut.Prompts.Select(p => p.Text));
        Assert.Equal((0, 1), (cut.TooLong, cut.Truncated));
        Assert.Equal(Tiny.Encode("456"), cut.Prompts[0].Tokens);
        var dropped = Load("p.txt", "123456\nab\n", new() { PromptTokens = 3, LongPrompts = LongPrompts.Drop });
        Assert.Equal(["ab"], dropped.Prompts.Select(p => p.Text));
        Assert.Equal((1, 0), (dropped.TooLong, dropped.Truncated));
    }

    [Theory]
    [InlineData("p.txt", "\n \n", "has no prompt to go on from. Give other prompts.")]
    [InlineData("p.txt", "123456\n", "all 1 are longer than 3 tokens. Give other prompts, or raise prompt_tokens.")]
    [InlineData("p.jsonl", """{"text": "a"}""", "line 1 has no prompt")]
    [InlineData("p.jsonl", """{"prompt": 5}""", "line 1 has no prompt")]
    [InlineData("p.jsonl", """{"prompt": {"txt": "a"}}""", "line 1 has no prompt")]
    [InlineData("p.jsonl", """{"prompt""", "line 1 has no prompt")]
    public void What_is_no_prompt_is_named(string name, string text, string message)
    {
        var options = new RolloutPromptOptions { PromptTokens = 3, LongPrompts = LongPrompts.Drop };
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Load(name, text, options)).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => RolloutPrompts.Load("none.txt", Tiny));
        Assert.Contains("prompt_tokens is 0", Assert.Throws<ArgumentException>(() => new RolloutPromptOptions { PromptTokens = 0 }.Validated()).Message, StringComparison.Ordinal);
    }
}
