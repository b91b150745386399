using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Parsimony.Text;
using Xunit;

namespace Parsimony.Tests.Text;

public sealed class WikiTextTests
{
    private const string Article = " = Red @-@ tipped hen = \n \n It laid 1 @,@ 200 eggs , or 0 @.@ 5 a day ( more or less ) . \n = = Life = = \n \" Cluck ! \" it said . \n";

    [Theory] // the right-hand sides were made by lm-evaluation-harness' own function
    [InlineData("Mr. Smith 's \" big \" dogs ' tails ( a , b ) cost 1 @,@ 000 @.@ 5 : 5 ° N ! \n = = Life = = \n well @-@ known ; yes ? no . \n",
        "Mr. Smith's \"big\" dogs' tails (a, b) cost 1,000.5: 5°N!\n== Life ==\nwell-known; yes? no.\n")]
    [InlineData("{ a } [ b ] he said ' it is ' .", "{a} [b] he said 'it is' .")]
    [InlineData("", "")]
    public void It_becomes_the_text_that_the_harness_makes_of_it(string article, string text) => Assert.Equal(text, WikiText.Detokenise(article));

    [Fact]
    public void The_validation_text_becomes_what_the_harness_makes_of_its_60_articles()
    {
        string path = Shared.Path("data/wikitext/wikitext-103-valid.tokens.txt");
        string made = string.Concat(WikiText.Detokenise(Parsimony.Text.Documents.Read(path)).Select(p => p.Text));
        Assert.Equal(1_097_404, made.EnumerateRunes().Count());
        Assert.Equal("5e29e6c6291cd3cc3931bfcaf0e0e9a40e99b4ce176b0b387ca331b2d2a15b23", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(made))));
        string original = File.ReadAllText(path);
        Assert.Equal(213_886, WikiText.CountWords(original));
        Assert.Equal(TextForm.WikitextTokens, WikiText.FormOf(original[..10_000]));
    }

    [Fact]
    public void Pieces_may_be_cut_anywhere_and_each_article_is_made_by_itself() =>
        Gen.Int[0, 3 * Article.Length].Array[0, 6].Sample(cuts =>
        {
            // A quote that is open at the end of the first article must not reach into the next.
            string[] articles = [Article + " an \" open quote \n", Article, Article];
            string whole = string.Concat(articles);
            int[] at = [0, .. cuts.Where(c => c < whole.Length).Distinct().Order(), whole.Length];
            var pieces = at.Zip(at[1..]).Where(r => r.First < r.Second).Select(r => new TextPiece(whole[r.First..r.Second], r.Second == whole.Length));
            var made = WikiText.Detokenise(pieces).ToList();
            Assert.Equal(string.Concat(articles.Select(WikiText.Detokenise)), string.Concat(made.Select(p => p.Text)));
            Assert.True(made[^1].EndsDocument && made.Count(p => p.EndsDocument) == 1);
        }, iter: 300);

    [Fact]
    public void Documents_stay_apart() =>
        Assert.Equal(["one, two", "three, four"], WikiText.Detokenise([new("one ,", false), new(" two", true), new("three , four", true)]).Select(p => p.Text));

    [Fact]
    public void A_long_document_comes_in_pieces_that_make_the_whole()
    {
        var pieces = WikiText.Detokenise(Enumerable.Range(0, 9).Select(i => new TextPiece(string.Concat(Enumerable.Repeat(" = Hen = \n eggs , eggs \n", 20_000)), i == 8))).ToList();
        Assert.InRange(pieces.Count, 3, 9);
        Assert.Equal(string.Concat(Enumerable.Repeat(" = Hen =\neggs, eggs\n", 180_000)), string.Concat(pieces.Select(p => p.Text)));
    }

    [Theory]
    [InlineData(Article, TextForm.WikitextRaw)]
    [InlineData(Article + " an <unk> hen \n", TextForm.WikitextTokens)]
    [InlineData("a red @-@ tipped <unk>", TextForm.WikitextTokens)]
    [InlineData(" = Hen = \n", TextForm.WikitextRaw)]
    [InlineData(" = = Life = = \n", TextForm.WikitextRaw)]
    [InlineData("A hen laid an <unk> egg. x = y = z\n== Life ==\n", TextForm.Plain)]
    [InlineData("", TextForm.Plain)]
    public void The_form_is_told_by_the_content(string sample, TextForm form) => Assert.Equal(form, WikiText.FormOf(sample));

    [Theory]
    [InlineData(" a  b\n\tc ", 3)]
    [InlineData("", 0)]
    [InlineData("one", 1)]
    public void Words_are_what_stands_between_white_space(string text, long words) => Assert.Equal(words, WikiText.CountWords(text));

    [Fact]
    public void Rows_that_are_lines_become_one_document() =>
        Assert.Equal([new(" = Hen = \n", false), new("It lays", false), new(" eggs .\n", false), new("Daily .\n", true)],
            WikiText.Joined([new(" = Hen = \n", true), new("It lays", false), new(" eggs .", true), new TextPiece("Daily .", true)]));
}
