using Parsimony.Exploration;
using Parsimony.Exploration.Labels;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>Patterns on latents made by hand: functions of the tokens, so that what must be found is known.</summary>
public sealed class PatternTests : IDisposable
{
    private const int Lead = 0, Filler = 30, OtherFiller = 31;
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_latent_that_fires_on_a_bigram_gets_this_bigram_and_is_foretold_exactly()
    {
        float Bigram(IReadOnlyList<int> text, int t) => t > 0 && text[t - 1] == 5 && text[t] == 9 ? 2.5f : 0;
        var contexts = Texts(seed: 1, 400);
        var found = Find(Bigram, contexts[..200]);
        var pattern = Assert.Single(found);
        Assert.Equal([5, 9], pattern.Tokens);
        Assert.Equal(2.5f, pattern.Activation);
        var label = new PatternLabel(found, Tokens());
        foreach (int[] context in contexts[200..]) Assert.Equal(Enumerable.Range(0, context.Length).Select(t => Bigram(context, t)), label.Predict(context));
    }

    [Fact]
    public void A_token_that_does_not_matter_becomes_a_star_and_one_in_front_of_all_that_do_is_left_out()
    {
        float Gap(IReadOnlyList<int> text, int t) => t > 1 && text[t - 2] == 5 && text[t] == 9 ? 3 : 0;
        var label = new PatternLabel(Find(Gap, Texts(seed: 2, 300)), Tokens());
        Assert.Equal([5, TokenPattern.Any, 9], Assert.Single(label.Patterns).Tokens);
        Assert.Equal([0, 0, 3, 0, 0, 0, 0], label.Predict([5, 1, 9, 9, 5, 9, 1]));
    }

    [Fact]
    public void A_single_token_is_told_from_its_weaker_and_stronger_surroundings()
    {
        // Behind 3, 7 alone gives less than half: the text must be longer there.
        float Stronger(IReadOnlyList<int> text, int t) => text[t] != 7 ? 0 : t > 0 && text[t - 1] == 3 ? 2.1f : 1;
        var patterns = Find(Stronger, Texts(seed: 3, 300));
        Assert.Equal(["7", "3 7"], patterns.Select(p => string.Join(' ', p.Tokens)).OrderBy(p => p.Length));
        var label = new PatternLabel(patterns, Tokens());
        Assert.Equal([0, 2.1f, 0, 1], label.Predict([3, 7, 1, 7]));
    }

    [Fact]
    public void What_fires_on_everything_or_needs_more_than_a_window_has_no_pattern()
    {
        Assert.Empty(Find((text, t) => t == 0 ? 0 : 1, Texts(seed: 4, 20)));           // every token may be any
        Assert.Empty(Find((text, t) => text.Count > 12 && t == 12 ? 1 : 0, Texts(seed: 5, 20))); // a place, not a text
    }

    [Fact]
    public void The_filler_is_another_token_than_the_one_it_stands_for()
    {
        float OnFiller(IReadOnlyList<int> text, int t) => text[t] == Filler ? 1 : 0;
        int[] text = [1, 2, Filler, 4];
        Assert.Equal([Filler], Assert.Single(Find(OnFiller, [text])).Tokens);
    }

    [Fact]
    public void Of_patterns_that_fit_the_longest_speaks_and_of_equally_long_ones_the_stronger()
    {
        var label = new PatternLabel([new([9], 1), new([5, 9], 4), new([TokenPattern.Any, 9], 2), new([8, 5, 9], 0.5f)], Tokens());
        Assert.Equal([1, 2, 0, 4, 0, 0, 0.5f], label.Predict([9, 9, 5, 9, 8, 5, 9]));
        Assert.Throws<ArgumentException>(() => new PatternLabel([], Tokens()));
        Assert.Throws<ArgumentException>(() => new PatternLabel([new([], 1)], Tokens()));
    }

    [Fact]
    public void A_pattern_is_told_in_quotes_with_a_star_for_any_token()
    {
        var tokenizer = Tokens();
        int hello = tokenizer.Encode(" hello")[0], exclamation = tokenizer.Encode("!")[0], newline = tokenizer.Encode("\n")[0];
        var label = new PatternLabel([new([hello, exclamation, TokenPattern.Any, newline], 1), new([exclamation], 2)], tokenizer);
        Assert.Equal("'!' | ' hello!' * '↵'", label.Text);
    }

    // Windows of 4 tokens in front and 3 behind, around each place where the latent fires.
    private static List<TokenPattern> Find(Func<IReadOnlyList<int>, int, float> latent, List<int[]> contexts)
    {
        var windows = from c in Enumerable.Range(0, contexts.Count)
                      let text = contexts[c]
                      from t in Enumerable.Range(0, text.Length)
                      where latent(text, t) > 0
                      let start = Math.Max(0, t - 4)
                      select new FeatureContext([.. Enumerable.Range(start, Math.Min(text.Length, t + 4) - start).Select(i => new TokenActivation(text[i], latent(text, i)))], t - start, c, t);
        var finder = new PatternFinder((_, texts) =>
        {
            Assert.All(texts, text => Assert.Equal(Lead, text[0]));
            return [.. texts.Select(text => latent(text, text.Length - 1))];
        }, 64, Lead, (Filler, OtherFiller));
        return finder.Find(0, [.. windows.Take(30)]);
    }

    private static List<int[]> Texts(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, 14).Select(_ => 1 + random.Next(12)).ToArray())];
    }

    private Tokenizer Tokens()
    {
        string file = folder.File("tokenizer.json");
        File.WriteAllText(file, TinyTokenizer.Json().ToJsonString());
        return Tokenizer.Load(file);
    }
}
