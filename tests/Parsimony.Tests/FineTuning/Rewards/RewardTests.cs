using Parsimony.FineTuning;
using Parsimony.FineTuning.Rewards;
using Xunit;
using static Parsimony.Tests.FineTuning.Rewards.SomeTexts;

namespace Parsimony.Tests.FineTuning.Rewards;

public sealed class RewardTests
{
    private static readonly Lexicon Mild = new("mild", [new("drat"), new("hello", 2), new("oh no", 0.5)]);

    private static LexiconReward Reward(Func<LexiconRewardOptions, LexiconRewardOptions>? with = null) => new(Mild, (with ?? (o => o))(new()));

    [Fact]
    public void A_text_ends_at_its_first_end_of_text()
    {
        var text = new RewardText(Tokenizer, "p", [.. Tokenizer.Encode("ab"), 0, 5, 6, 0]);
        Assert.Equal(("ab", true, 2), (text.Text, text.Ended, text.TextTokens));
        Assert.Equal([.. Tokenizer.Encode("ab"), 0], text.Tokens);
        Assert.Equal(["a", "b", "<|endoftext|>"], text.TokenTexts());
        Assert.Equal(Tokenizer.Encode("p"), text.PromptTokens);
        Assert.Equal([9, 9], new RewardText(Tokenizer, new RolloutPrompt("p", [9, 9]), []).PromptTokens);
        Assert.False(Says("ab").Ended);
        Assert.Equal("", new RewardText(Tokenizer, "", []).Text);
    }

    [Fact]
    public void A_words_score_lies_on_the_tokens_that_make_it_up()
    {
        var score = Reward().Score([Says("drat hello", ended: true)])[0];      // d r a t |' hello'| end
        Assert.Equal(-3, score.Value);
        Assert.Equal([-0.25, -0.25, -0.25, -0.25, -2, 0], score.TokenCredit!);
        score = Reward(o => o with { ScorePerHit = 3, PerToken = false }).Score([Says("Oh  no")])[0];
        Assert.Equal(1.5, score.Value);
        Assert.Null(score.TokenCredit);
        Assert.Equal(0, Reward().Score([Says("")])[0].Value);
    }

    [Fact]
    public void A_cap_holds_the_sum_and_shrinks_every_credit_alike()
    {
        var score = Reward(o => o with { Cap = 1.5, ScorePerHit = -2 }).Score([Says("drat hello")])[0];
        Assert.Equal(-3, score.Value);
        Assert.Equal([-0.25, -0.25, -0.25, -0.25, -2], score.TokenCredit!);
    }

    [Fact]
    public void A_lexicon_counts_its_hits_and_says_when_it_never_matched()
    {
        var reward = Reward(o => o with { WarnAfterTexts = 3 });
        reward.Score([Says("abcd"), Says("abcd")]);
        Assert.Null(reward.Warning);
        reward.Score([Says("ab", ended: true)]);
        Assert.Contains("none of the 3 words of 'mild' occurred in 3 texts", reward.Warning, StringComparison.Ordinal);
        using (var sum = new WeightedRewards((reward, 1.0))) Assert.Equal([reward.Warning], sum.Warnings);
        reward.Score([Says("drat! drat")]);                                     // 10 + 10 tokens, two hits
        Assert.Null(reward.Warning);
        Assert.Equal(100, reward.HitsPerThousandTokens, 12);
    }

    [Fact]
    public void Matches_of_a_pattern_count_but_empty_ones_do_not()
    {
        RegexReward Of(string pattern, int? cap = null) => new(new() { Pattern = pattern, Cap = cap, ScorePerMatch = 2, IgnoreCase = true });
        var score = Of("[aeiou]+").Score([Says("Ea b o")])[0];
        Assert.Equal(4, score.Value);
        Assert.Equal([1, 1, 0, 0, 0, 2], score.TokenCredit!);
        Assert.Equal(2, Of("[aeiou]", cap: 1).Score([Says("Ea b o")])[0].Value);
        Assert.Equal(2, Of("x*").Score([Says("ab xx")])[0].Value);
        Assert.Equal(2, Of("(?<=b )o").Score([Says("Ea b o")])[0].Value);         // what only the engine with backtracking knows
    }

    [Fact]
    public void No_pattern_makes_it_hang()
    {
        string text = new string('a', 40) + "!";
        Assert.Equal(0, new RegexReward(new() { Pattern = "^(a|aa)+$" }).Score([Says(text)])[0].Value);
        var slow = new RegexReward(new() { Pattern = "^(?!b)(a|aa)+$", TimeoutSeconds = 0.05 }, "vowels");
        string message = Assert.Throws<InvalidOperationException>(() => slow.Score([Says(text)])).Message;
        Assert.Contains("reward 'vowels': the pattern '^(?!b)(a|aa)+$' took longer than 0.05 s on the text 'aaaa", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PenaltyShape.Linear, 5, -0.5)]                                  // 5 below the 10 wanted
    [InlineData(PenaltyShape.Linear, 10, 0)]
    [InlineData(PenaltyShape.Linear, 15, -0.5)]
    [InlineData(PenaltyShape.Linear, 25, -2)]                                   // 1.5, and 5 beyond the 20 allowed: 2 * 0.25
    [InlineData(PenaltyShape.Quadratic, 5, -0.25)]
    [InlineData(PenaltyShape.Quadratic, 25, -2.375)]                            // 2.25 and 2 * 0.0625
    public void Length_is_measured_in_targets_and_in_limits(PenaltyShape shape, int tokens, double value)
    {
        var reward = new LengthReward(new() { TargetTokens = 10, LongestTokens = 20, OverlongScore = -2, Shape = shape });
        Assert.Equal(value, reward.Score([Says(new string('x', tokens), ended: true)])[0].Value, 12);
    }

    [Fact]
    public void A_text_that_was_cut_off_is_told_from_one_that_ended()
    {
        var reward = new EndOfTextReward(new() { EndedScore = 0.5, CutOffScore = -2 });
        Assert.Equal([-2, 0.5], reward.Score([Says("ab"), Says("ab", ended: true)]).Select(s => s.Value));
    }

    [Fact]
    public void A_sum_weighs_its_parts_and_keeps_them_apart()
    {
        using var sum = new WeightedRewards(
            (Reward(), 2.0), (new LengthReward(new() { TargetTokens = 4, TargetScore = -8 }), 0.5), (new DelegateReward("a", t => t.Text.Count(c => c == 'a')), 10.0));
        RewardText[] texts = [Says("drat"), Says("hello", ended: true), Says("")];
        var parts = sum.Parts(texts);
        Assert.Equal(["lexicon", "length", "a"], parts.Select(p => p.Name));
        Assert.Equal([-1, -2, 0], parts[0].Scores.Select(s => s.Value));
        Assert.Equal([0, -6, -8], parts[1].Scores.Select(s => s.Value));
        Assert.Equal(1.0 / 3, parts[2].Mean, 12);
        var scores = sum.Score(texts);
        Assert.Equal([8, -7, -4], scores.Select(s => s.Value));                 // -2 + 10; -4 - 3; -4
        Assert.Equal([-0.5, -0.5, -0.5, 9.5], scores[0].TokenCredit!);           // what is of the whole text lies on the last token
        Assert.Equal([-4, -3], scores[1].TokenCredit!);
        Assert.Null(scores[2].TokenCredit);                                      // no token to lie on
    }

    [Fact]
    public void What_is_no_reward_is_an_error_that_names_it_and_the_text()
    {
        string Message(Func<IReadOnlyList<RewardText>, IReadOnlyList<RewardScore>> judge)
        {
            using var sum = new WeightedRewards((new DelegateReward("odd", judge), 1.0));
            return Assert.Throws<InvalidOperationException>(() => sum.Score([Says("the text")])).Message;
        }
        Assert.Contains("reward 'odd' gave NaN; a reward must be finite. The text was 'the text'", Message(_ => [new(double.NaN)]), StringComparison.Ordinal);
        Assert.Contains("gave -Infinity", Message(_ => [new(double.NegativeInfinity)]), StringComparison.Ordinal);
        Assert.Contains("gave 2 scores for 1 texts", Message(_ => [new(1), new(1)]), StringComparison.Ordinal);
        Assert.Contains("gave 1 credits for 7 tokens", Message(_ => [new(1, [1])]), StringComparison.Ordinal);
        Assert.Contains("add up to 0, not to its score 1", Message(_ => [new(1, new double[7])]), StringComparison.Ordinal);
        Assert.Contains("add up to NaN", Message(_ => [new(1, [double.NaN, 0, 0, 0, 0, 0, 0])]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_text_of_nothing_is_worth_a_finite_number_to_all(bool ended)
    {
        using var sum = new WeightedRewards(
            (Reward(), 1.0), (new RegexReward(new() { Pattern = "x" }), 1.0), (new LengthReward(new() { TargetTokens = 4, LongestTokens = 8 }), 1.0), (new EndOfTextReward(new()), 1.0));
        var score = sum.Score([Says("", ended)])[0];
        Assert.Equal(ended ? -1 : -2, score.Value);                              // no token of the four wanted; and cut off
        Assert.Equal(ended ? [-1] : null, score.TokenCredit);
    }

    [Fact]
    public void A_sum_needs_parts_of_different_names_and_finite_weights()
    {
        Assert.Throws<ArgumentException>(() => new WeightedRewards());
        Assert.Contains("2 rewards are called 'lexicon'", Assert.Throws<ArgumentException>(
            () => new WeightedRewards((Reward(), 1.0), (Reward(), 1.0))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new WeightedRewards((Reward(), double.NaN)));
    }
}
