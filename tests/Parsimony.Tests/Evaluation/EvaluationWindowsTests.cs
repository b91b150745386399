using CsCheck;
using Parsimony.Evaluation;
using Xunit;

namespace Parsimony.Tests.Evaluation;

public sealed class EvaluationWindowsTests
{
    private static int[] Text(int length) => [.. Enumerable.Range(0, length)]; // an id is its position

    [Fact]
    public void Every_token_counts_once_and_every_token_but_the_first_is_predicted_once_whatever_window_and_stride() =>
        Gen.Int[2, 80].Select(Gen.Int[2, 30], Gen.Int[1, 29]).Sample((tokens, length, stride) =>
        {
            stride = Math.Min(stride, length - 1);
            var windows = EvaluationWindows.Strided(Text(tokens), length, stride);
            Assert.Equal(Text(tokens), windows.SelectMany(w => w.Ids.Skip(w.Seen)));
            Assert.Equal(Text(tokens).Skip(1), windows.SelectMany(w => w.Ids.Skip(Math.Max(1, w.Seen))));
            Assert.Equal(tokens, windows.Tokens);
            Assert.All(windows, w => Assert.InRange(w.Ids.Length, 2, length));
            Assert.All(windows.Skip(1), w => Assert.Equal(length - stride, w.Seen)); // of its window, as much context as the stride leaves
            Assert.All(windows.Index().Take(windows.Count - 1), w => Assert.Equal((w.Index * stride, length), (w.Item.Ids[0], w.Item.Ids.Length)));
        }, iter: 2000);

    [Fact]
    public void Windows_that_do_not_overlap_are_the_articles_contexts_and_a_shorter_last_one()
    {
        var windows = EvaluationWindows.Strided(Text(25), 10, 10);
        Assert.Equal([Text(25)[..10], Text(25)[10..20], Text(25)[20..]], windows.Select(w => w.Ids));
        Assert.All(windows, w => Assert.Equal(0, w.Seen));
        Assert.Equal(20, EvaluationWindows.Strided(Text(21), 10, 10).Tokens); // one token alone would predict nothing
    }

    [Fact]
    public void A_limit_ends_the_text_behind_the_last_window()
    {
        var windows = EvaluationWindows.Strided(Text(100), 10, 4, limit: 3);
        Assert.Equal((3, 18), (windows.Count, windows.Tokens));
        Assert.Equal(Text(18), windows.SelectMany(w => w.Ids.Skip(w.Seen)));
        Assert.Single(EvaluationWindows.Strided(Text(7), 10, 4, limit: 3));
    }

    [Fact]
    public void Other_windows_have_another_hash()
    {
        string[] hashes =
        [
            EvaluationWindows.Strided(Text(20), 10, 4).Sha256(), EvaluationWindows.Strided(Text(20), 10, 5).Sha256(), EvaluationWindows.Strided(Text(21), 10, 4).Sha256(),
            EvaluationWindows.Strided([.. Text(19), 3], 10, 4).Sha256(), EvaluationWindows.Article([Text(10), Text(10)]).Sha256(),
        ];
        Assert.Equal(5, hashes.Distinct().Count());
        Assert.Equal(hashes[0], EvaluationWindows.Strided(Text(20), 10, 4).Sha256());
        Assert.Equal(EvaluationWindows.Article([Text(20)[..10], Text(20)[10..]]).Sha256(), EvaluationWindows.Strided(Text(20), 10, 10).Sha256()); // the same passes
    }

    [Fact]
    public void A_window_is_the_same_array_for_as_long_as_anyone_holds_it()
    {
        var windows = EvaluationWindows.Strided(Text(50), 10, 4);
        int[] held = windows[3].Ids;
        GC.Collect();
        Assert.Same(held, windows[3].Ids);
        GC.KeepAlive(held);
    }

    [Theory]
    [InlineData(1, 10, 4, "the text has 1 tokens; expected 2 or more")]
    [InlineData(20, 1, 1, "length is 1; it must be 2 or more")]
    [InlineData(20, 10, 0, "stride is 0; it must be 1 to 10")]
    [InlineData(20, 10, 11, "stride is 11; it must be 1 to 10")]
    public void What_makes_no_windows_is_named(int tokens, int length, int stride, string says) =>
        Assert.Contains(says, Assert.Throws<ArgumentException>(() => EvaluationWindows.Strided(Text(tokens), length, stride)).Message, StringComparison.Ordinal);
}
