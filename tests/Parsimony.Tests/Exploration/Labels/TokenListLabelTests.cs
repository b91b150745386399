using Parsimony.Exploration;
using Parsimony.Exploration.Labels;
using Parsimony.Tests.Tokens;
using Parsimony.Tokens;
using Xunit;
using static Parsimony.Tests.Exploration.Labels.SomeCards;

namespace Parsimony.Tests.Exploration.Labels;

/// <summary>The words of a token list, and what it foretells.</summary>
public sealed class TokenListLabelTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Tokenizer tokenizer;
    private readonly int a, b, c, d, e, hello, spaceHello;

    public TokenListLabelTests()
    {
        File.WriteAllText(folder.File("tokenizer.json"), TinyTokenizer.Json().ToJsonString());
        tokenizer = Tokenizer.Load(folder.File("tokenizer.json"));
        int Id(string text) => Assert.Single(tokenizer.Encode(text));
        (a, b, c, d, e, hello, spaceHello) = (Id("a"), Id("b"), Id("c"), Id("d"), Id("e"), Id("hello"), Id(" hello"));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void One_peak_token_in_any_case_and_with_any_space_is_named()
    {
        var label = Of([Window(0, a, b, hello, c), Window(1, c, d, spaceHello, a), Window(2, d, e, hello, b), Window(3, e, a, hello, d), Window(4, b, c, a, e)]); // four of five are one word
        Assert.Equal("fires on 'hello', ' hello'", label.Text);
        Assert.Equal([0, 2, 0, 2], label.Predict([a, hello, b, spaceHello]));
    }

    [Fact]
    public void One_token_behind_the_peaks_is_named_and_looked_ahead_for()
    {
        var label = Of([Window(0, a, a, b, hello), Window(1, a, a, c, hello), Window(2, a, a, d, hello), Window(3, a, a, e, hello)]);
        Assert.Equal("fires before 'hello'", label.Text);
        Assert.True(label.LooksAhead);
        Assert.Equal([2, 0, 0, 0], label.Predict([a, hello, a, b]));
    }

    [Fact]
    public void Tokens_that_it_raises_and_that_are_alike_are_told_but_not_foretold_by()
    {
        FeatureContext[] windows = [Window(0, a, a, b, c), Window(1, a, a, c, d), Window(2, a, a, d, e), Window(3, a, a, e, a)];
        var label = Of(windows, raised: [hello, spaceHello, a, hello]);
        Assert.StartsWith("raises 'hello', ' hello', 'hello'; fires on ", label.Text, StringComparison.Ordinal);
        Assert.Equal(0, label.Predict([hello])[0]);
        Assert.StartsWith("promotes 'hello'", Of(windows, promoted: [hello, spaceHello, hello]).Text, StringComparison.Ordinal);
        Assert.StartsWith("fires on", Of(windows, raised: [hello, a, b]).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Else_the_tokens_are_listed_on_which_it_fires_as_a_rule_the_most_activation_first_foretold_by_the_mean()
    {
        // b fires in both windows, c in one of two, d in one of three.
        var label = Of([Window(0, a, c, b, d), Window(1, e, a, b, d), Window(2, e, a, c, e), Window(3, a, a, d, a)]);
        Assert.Equal("fires on 'b', 'c'", label.Text);
        Assert.Equal([2, 1, 0, 0], label.Predict([b, c, d, a]));
    }

    [Fact]
    public void A_latent_that_never_fires_has_no_label_and_markup_in_a_token_stays_as_it_is()
    {
        Assert.Null(TokenListLabel.Of(Card([]), LabelExamples.Of(Card([]), 3), tokenizer));
        int less = tokenizer.Encode("<")[0];
        Assert.Equal("fires on '<'", Of([Window(0, a, b, less, c)]).Text);
    }

    [Fact]
    public void A_part_of_a_character_is_told_by_its_byte()
    {
        Assert.Equal("fires on '<0xE6>'", Of([Window(0, a, b, 0xE6 + 1, c)]).Text);
        Assert.Equal("'\u6f22'", TokenText.Quoted(tokenizer, 0xE6 + 1, 0xBC + 1, 0xA2 + 1));
    }

    private TokenListLabel Of(FeatureContext[] making, int[]? raised = null, int[]? promoted = null) =>
        TokenListLabel.Of(Card(making, raised: raised, promoted: promoted), new(making, making, [], making.Select(w => w.Context).ToHashSet(), IsEffectOurs: true), tokenizer)!;
}
