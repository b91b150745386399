using Parsimony.FineTuning;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning.Rewards.Trained;

public sealed class RewardDataTests : IDisposable
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();
    private readonly TemporaryFolder folder = new();

    private RewardData Load(string rows, PreferenceOptions? options = null, IReadOnlyList<string>? classes = null)
    {
        File.WriteAllText(folder.File("data.jsonl"), rows);
        return RewardData.Load(folder.File("data.jsonl"), Tiny, options, classes);
    }

    private static string[] Texts(RewardData data) => [.. data.Texts.Select(t => $"{Tiny.Decode(t.Tokens.AsSpan(0, t.First))}|{Tiny.Decode(t.Tokens.AsSpan(t.First))}")];

    [Fact]
    public void Pairs_are_read_without_their_end_of_text_the_better_first()
    {
        var data = Load("""
            {"prompt": "Q:", "chosen": " good", "rejected": " bad"}
            {"prompt": "Q:", "chosen": "a", "rejected": "a"}
            """);
        Assert.Equal((1, true, "Of 2 preference pairs: 1 left out without a difference."), (data.Count, data.IsPairs, data.Warning));
        Assert.Equal(["Q:| good", "Q:| bad"], Texts(data));
    }

    [Fact]
    public void Labels_are_texts_numbers_or_verdicts_and_texts_may_follow_a_prompt()
    {
        var data = Load("""
            {"text": "hello", "label": "pos"}
            {"text": "  ", "label": "pos"}
            {"prompt": "Q:", "text": "no", "label": "neg"}
            {"prompt": "Q:", "completion": "yes", "label": "pos"}
            """);
        Assert.Equal(["|hello", "Q:|no", "Q:|yes"], Texts(data));
        Assert.Equal((["neg", "pos"], [1, 0, 1], "Of 4 texts with a label: 1 left out as empty."), (data.Classes.ToArray(), data.Labels!.ToArray(), data.Warning), Same);
        Assert.Equal(["2", "10"], Load("{\"text\": \"a\", \"label\": 10}\n{\"text\": \"b\", \"label\": 2}").Classes);
        var verdicts = Load("""
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Go"}], "kto_tag": false}
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hey"}], "kto_tag": true}
            """);
        Assert.Equal(["false", "true"], verdicts.Classes);
        Assert.Equal("\n\nHuman: Hi\n\nAssistant:| Go", Texts(verdicts)[0]);

        static bool Same((string[], int[], string?) a, (string[], int[], string?) b) => a.Item1.SequenceEqual(b.Item1) && a.Item2.SequenceEqual(b.Item2) && a.Item3 == b.Item3;
    }

    [Fact]
    public void What_is_too_long_is_cut_on_the_left_or_left_out_and_counted()
    {
        const string rows = "{\"text\": \"12345\", \"label\": 0}\n{\"prompt\": \"abc\", \"text\": \"12\", \"label\": 1}\n{\"text\": \"12\", \"label\": 1}";
        var cut = Load(rows, new() { SequenceLength = 4 });
        Assert.Equal(["|2345", "bc|12", "|12"], Texts(cut));
        Assert.Equal("Of 3 texts with a label: 2 with the beginning cut off.", cut.Warning);
        var dropped = Load(rows, new() { SequenceLength = 4, LongPrompts = LongPrompts.Drop }, ["0", "1"]);
        Assert.Equal((1, "Of 3 texts with a label: 2 left out as too long."), (dropped.Count, dropped.Warning));
    }

    [Theory]
    [InlineData("""{"text": "a", "label": 1.5}""", "line 1 is not a text with a label")]
    [InlineData("""{"text": "a", "label": null}""", "line 1 is not a text with a label")]
    [InlineData("""{"words": "a", "label": 1}""", "line 1 is not a text with a label")]
    [InlineData("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\"}", "line 2 is not a text with a label")]
    [InlineData("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 1}", "has only the label '1'")]
    [InlineData("""{"text": "", "label": 1}""", "leaves no text to learn from. Of 1 texts with a label: 1 left out as empty.")]
    [InlineData("""{"messages": [{"role": "user", "content": "Hi"}], "label": true}""", "the last turn is not the assistant's")]
    [InlineData("""{"text": "a"}""", "has neither pairs nor labels")]
    [InlineData("", "leaves no preference pair to learn from. It has no rows.")]
    public void What_cannot_be_learnt_from_is_named(string rows, string message) =>
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Load(rows)).Message, StringComparison.Ordinal);

    [Fact]
    public void Held_out_labels_must_be_those_of_the_training_data()
    {
        Assert.Equal([1], Load("{\"text\": \"a\", \"label\": \"pos\"}", classes: ["neg", "pos"]).Labels!);
        Assert.Contains("'so-so' is no label of the training data; those are 'neg', 'pos'", Assert.Throws<InvalidDataException>(
            () => Load("{\"text\": \"a\", \"label\": \"so-so\"}", classes: ["neg", "pos"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_has_the_same_prompt_or_is_the_same_text_stays_on_one_side()
    {
        var pairs = new RewardData
        {
            SequenceLength = 8,
            Texts = [.. Enumerable.Range(0, 200).Select(t => new JudgedText([1 + t / 2 % 20, 100 + t], 1))],       // 20 prompts of 5 pairs each
        };
        var (train, heldOut) = pairs.Split(0.2, 3);
        Assert.Equal((80, 20), (train.Count, heldOut.Count));
        Assert.Empty(train.Texts.Select(t => t.Tokens[0]).Intersect(heldOut.Texts.Select(t => t.Tokens[0])));
        Assert.All(Enumerable.Range(0, heldOut.Count), i => Assert.Equal(heldOut.Texts[2 * i].Tokens[1] + 1, heldOut.Texts[2 * i + 1].Tokens[1]));
        Assert.Equal(heldOut.Texts, pairs.Split(0.2, 3).HeldOut.Texts);
        Assert.NotEqual(heldOut.Texts, pairs.Split(0.2, 4).HeldOut.Texts);

        var labelled = new RewardData { SequenceLength = 8, Classes = ["a", "b"], Labels = [.. Enumerable.Range(0, 60).Select(i => i % 2)], Texts = [.. Enumerable.Range(0, 60).Select(i => new JudgedText([i / 3], 0))] };
        var (some, others) = labelled.Split(0.3, 1);
        Assert.Equal((42, 18), (some.Count, others.Count));
        Assert.Empty(some.Texts.Select(t => t.Tokens[0]).Intersect(others.Texts.Select(t => t.Tokens[0])));

        var onePrompt = pairs with { Texts = [.. pairs.Texts.Select(t => new JudgedText([1, t.Tokens[1]], 1))] };
        Assert.Equal(20, onePrompt.Split(0.2, 3).HeldOut.Count);
        Assert.Equal((100, 0), (pairs.Split(0, 3).Train.Count, pairs.Split(0, 3).HeldOut.Count));
        Assert.Throws<ArgumentOutOfRangeException>(() => pairs.Split(1, 0));
    }

    [Fact]
    public void The_rules_that_learnt_nothing_are_the_longer_text_and_the_commonest_label()
    {
        var pairs = new RewardData { SequenceLength = 8, Texts = [new([1, 2, 3], 1), new([1, 2], 1), new([1, 2], 1), new([1, 2], 1), new([2], 0), new([1, 2], 0)] };
        Assert.Equal((1 + 0.5 + 0) / 3, pairs.Baseline(pairs));
        RewardData Labelled(params int[] labels) => new() { SequenceLength = 8, Classes = ["a", "b"], Labels = labels, Texts = [.. labels.Select(l => new JudgedText([l], 0))] };
        Assert.Equal(0.25, Labelled(1, 0, 0, 0).Baseline(Labelled(1, 1, 0)));
    }

    public void Dispose() => folder.Dispose();
}
