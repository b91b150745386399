using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.FineTuning.Baselines;

public sealed class BestOfNTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Transformer model;
    private readonly Tokenizer tokenizer;
    private readonly RolloutPrompt[] prompts;
    private readonly DelegateReward vowels = new("vowels", text => (double)text.Text.Count(c => "aeiou".Contains(c, StringComparison.Ordinal)));
    private readonly SamplingOptions sampling = new() { MaxNewTokens = 30, Seed = 5 };

    public BestOfNTests()
    {
        model = Transformer.Load(SomeFolder.Model(folder.Path));
        tokenizer = Tokenizer.Load(folder.Path);
        prompts = [.. new[] { "one", "two, and", "a" }.Select(text => new RolloutPrompt(text, tokenizer.Encode(text)))];
    }

    private double[] Rewards(int n, long seed = 5) => [.. BestOfN.Sample(model, tokenizer, prompts, vowels, n, sampling with { Seed = seed }).Select(b => b.Reward)];

    [Fact]
    public void More_draws_never_give_less_reward_and_in_the_end_more()
    {
        double[] last = Rewards(1);
        double first = last.Sum();
        for (int n = 2; n <= 8; n++)
        {
            double[] now = Rewards(n);
            Assert.All(now.Zip(last), pair => Assert.True(pair.First >= pair.Second));
            last = now;
        }
        Assert.True(last.Sum() > first);
    }

    [Fact]
    public void The_kept_one_is_the_one_the_reward_likes_most_of_all_draws()
    {
        var best = BestOfN.Sample(model, tokenizer, prompts, vowels, 6, sampling);
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.Equal(vowels.Score([best[i].Text])[0].Value, best[i].Reward);
            Assert.Equal(prompts[i].Text, best[i].Text.Prompt);
            Assert.InRange(best[i].Draw, 0, 5);
        }
        Assert.Contains(best, b => b.Draw > 0);
        Assert.Equal(best.Select(b => b.Text.Text), BestOfN.Sample(model, tokenizer, prompts, vowels, 6, sampling).Select(b => b.Text.Text));
        Assert.NotEqual(Rewards(6), Rewards(6, seed: 6));
    }

    [Fact]
    public void A_ban_holds_in_every_draw()
    {
        var lexicon = new Lexicon("some", [new("a"), new("e")]);
        var best = BestOfN.Sample(model, tokenizer, prompts, vowels, 4, sampling, onLogits: new BannedWords(tokenizer, lexicon).Processor);
        Assert.All(best, b => Assert.Empty(lexicon.Find(b.Text.Text)));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0.193147)]
    [InlineData(16, 1.835089)]
    public void The_bound_of_its_divergence_is_the_published_formula(int n, double nats) => Assert.Equal(nats, BestOfN.KlBound(n), 1e-6);

    [Fact]
    public void Greedy_draws_are_refused() =>
        Assert.Contains("all draws would be the same", Assert.Throws<ArgumentException>(() => BestOfN.Sample(model, tokenizer, prompts, vowels, 2, sampling with { Temperature = 0 })).Message, StringComparison.Ordinal);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }
}
