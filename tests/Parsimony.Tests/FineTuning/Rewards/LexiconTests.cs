using Parsimony.FineTuning.Rewards;
using Xunit;

namespace Parsimony.Tests.FineTuning.Rewards;

public sealed class LexiconTests
{
    private static Lexicon Of(params string[] words) => new("some", words.Select(w => new LexiconEntry(w)));

    private static Lexicon Disguised(params string[] words) => new("some", words.Select(w => new LexiconEntry(w)), disguised: true);

    private static string[] Found(Lexicon lexicon, string text) => [.. lexicon.Find(text).Select(h => text.Substring(h.Start, h.Length))];

    [Theory]
    [InlineData("Drat! The DRAT, (drat) and drat's", "Drat|DRAT|drat|drat")]
    [InlineData("hydrate, drats, dratted, drat1, 2drat", "")]
    [InlineData("un_drat_able drat.drat", "drat|drat|drat")]
    [InlineData("ｄｒａｔ", "ｄｒａｔ")]                                     // full width
    [InlineData("drat\u0301 drat", "drat")]                               // an accent makes it another letter
    public void Words_are_found_whole_and_in_any_case(string text, string found) => Assert.Equal(found, string.Join('|', Found(Of("drat"), text)));

    [Theory]
    [InlineData("merde", "Merde", 1)]
    [InlineData("été", "l'e\u0301te\u0301 dernier", 1)]                   // composed in the list, decomposed in the text
    [InlineData("е\u0301лка", "е\u0301лка", 1)]
    [InlineData("ёлка", "Ёлка ёлкам", 1)]                                 // Cyrillic: not within a longer word
    [InlineData("σοφός", "ΣΟΦΌΣ", 0)]                                     // final sigma: folded simply, as .NET lowers it
    [InlineData("笨蛋", "你这个笨蛋吗", 1)]                                // no spaces between words
    [InlineData("ばか", "このばかもの", 1)]
    [InlineData("बुरा", "बुरा है", 1)]
    [InlineData("बुर", "बुरा है", 0)]                                      // a vowel sign goes on with the word
    [InlineData("🤬", "so🤬much", 1)]
    public void Edges_of_words_are_right_for_unicode(string word, string text, int hits) => Assert.Equal(hits, Of(word).Find(text).Count);

    [Theory]
    [InlineData("gosh darn", 1)]
    [InlineData("Gosh \n darn it", 1)]
    [InlineData("gosh-darn", 1)]
    [InlineData("goshdarn", 0)]
    [InlineData("gosh, darn", 0)]
    [InlineData("agosh darn", 0)]
    public void A_space_of_a_phrase_is_any_white_space_or_a_hyphen(string text, int hits) => Assert.Equal(hits, Of("gosh  darn").Find(text).Count);

    [Fact]
    public void The_longest_word_counts_and_none_within_it()
    {
        var lexicon = Of("darn", "gosh darn", "gosh", "darn it all");
        Assert.Equal(["gosh darn", "darn", "gosh"], Found(lexicon, "gosh darn it darn gosh"));
        Assert.Equal(["gosh darn"], Found(lexicon, "gosh darn it all")); // the first to begin, not the longest of all
    }

    [Theory]
    [InlineData("dr4t", 1)]
    [InlineData("DR@T", 1)]
    [InlineData("draaaat", 1)]
    [InlineData("ddrraatt", 1)]
    [InlineData("d.r.a.t", 1)]
    [InlineData("d-r_a.t.", 1)]
    [InlineData("dr*t", 1)]
    [InlineData("d##t", 1)]
    [InlineData("drát", 1)]
    [InlineData("dr\u00ADa\u200Bt", 1)]                                   // soft hyphen, zero-width space
    [InlineData("drat", 1)]
    [InlineData("d***", 0)]                                               // more than half is masked
    [InlineData("*rat", 0)]                                               // the first letter never is
    [InlineData("d r a t", 0)]
    [InlineData("d..r..a..t", 0)]
    [InlineData("hydr4te", 0)]
    [InlineData("d.r.a.t.e", 1)]
    [InlineData("drt", 0)]
    public void A_disguised_word_is_found(string text, int hits)
    {
        Assert.Equal(hits, Disguised("drat").Find(text).Count);
        Assert.Equal(text == "drat" || text.EndsWith("rat.e", StringComparison.Ordinal) ? 1 : 0, Of("drat").Find(text).Count);
    }

    [Fact]
    public void Numbers_and_contractions_are_no_words_and_double_letters_stay_double()
    {
        Assert.Empty(Disguised("ass").Find("the years 455 and 4550"));
        Assert.Equal(["a55", "@s$"], Found(Disguised("ass"), "a55, @s$"));
        Assert.Equal(["bossss"], Found(Disguised("boss", "bos"), "bos-x bossss")[1..]);
        Assert.Empty(Disguised("boss").Find("bos"));
        Assert.Empty(Disguised("hell").Find("He'll, she’ll"));
    }

    [Fact]
    public void The_plainer_reading_of_a_disguise_is_preferred()
    {
        Assert.Equal("ass", Disguised("as", "ass").Find("ass")[0].Entry.Text);
        Assert.Equal("as", Disguised("as", "ass").Find("as")[0].Entry.Text);
    }

    [Fact]
    public void Hostile_texts_come_to_an_end()
    {
        var lexicon = Disguised("aaaaaaaaaa", "a b a b a b", "sassafras", "abababababab");
        foreach (string part in (string[])["a", "a.", "a*", "*", "ab", "a-", "1", "a1!|", "\u200B"])
            lexicon.Find(string.Concat(Enumerable.Repeat(part, 5000 / part.Length)));
    }

    [Fact]
    public void A_list_may_have_comments_weights_phrases_and_empty_lines()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("mild.txt"), "# mild words\ndrat\t0.5\r\n\ngosh darn\t2\nBother\nbother\n");
        var lexicon = Lexicon.Load(folder.File("mild.txt"));
        Assert.Equal([new("drat", 0.5), new("gosh darn", 2), new("Bother", 1)], lexicon.Entries);
    }

    [Theory]
    [InlineData("drat\tmuch", "line 2: 'drat\tmuch' is not a word")]
    [InlineData("drat\t1\t2", "line 2")]
    [InlineData("\t1", "line 2")]
    [InlineData("drat\tNaN", "line 2")]
    [InlineData("BOTHER\t3", "gives 'BOTHER' the weights 1 and 3")]
    public void A_line_that_is_no_word_is_named(string line, string message)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("mild.txt"), "bother\n" + line + "\n");
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Lexicon.Load(folder.File("mild.txt"))).Message, StringComparison.Ordinal);
        File.WriteAllText(folder.File("mild.txt"), "# nothing\n");
        Assert.Contains("has no words", Assert.Throws<InvalidDataException>(() => Lexicon.Load(folder.File("mild.txt"))).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => Lexicon.Load(folder.File("none.txt")));
        Assert.Throws<ArgumentException>(() => Disguised("\u200B"));
    }

    [Fact]
    public void A_words_side_follows_from_the_word_and_the_fraction_alone()
    {
        string[] words = [.. Enumerable.Range(0, 400).Select(i => $"word{i}")];
        var all = Of(words);
        string[] Side(Lexicon lexicon, LexiconSide side, double fraction) => [.. lexicon.Of(side, fraction).Entries.Select(e => e.Text)];
        string[] heldOut = Side(all, LexiconSide.HeldOut, 0.5), rewarded = Side(all, LexiconSide.Rewarded, 0.5);
        Assert.Equal(words, heldOut.Concat(rewarded).OrderBy(w => int.Parse(w[4..])));
        Assert.InRange(heldOut.Length, 150, 250);
        Assert.Equal(heldOut.Intersect(words[..100]), Side(Of(words[..100]), LexiconSide.HeldOut, 0.5));
        Assert.Empty(heldOut.Except(Side(all, LexiconSide.HeldOut, 0.7)));
        Assert.Equal(heldOut.Length, Of([.. words.Select(w => w.ToUpperInvariant())]).Of(LexiconSide.HeldOut).Entries.Count);
        Assert.Same(all, all.Of(LexiconSide.All));
        Assert.Contains("is held out", Assert.Throws<ArgumentException>(() => all.Of(LexiconSide.HeldOut, 1e-9)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => all.Of(LexiconSide.HeldOut, 1));
    }

    [Fact]
    public void Every_word_of_a_real_list_is_found_in_a_sentence_and_not_within_another_word()
    {
        string path = Shared.Path("data/wordlists/ldnoobw-en.txt");
        foreach (bool disguised in (bool[])[false, true])
        {
            var lexicon = Lexicon.Load(path, disguised);
            Assert.Equal(403, lexicon.Entries.Count);
            Assert.Equal(403, lexicon.Of(LexiconSide.Rewarded).Entries.Count + lexicon.Of(LexiconSide.HeldOut).Entries.Count);
            Assert.InRange(lexicon.Of(LexiconSide.HeldOut).Entries.Count, 170, 233);
            foreach (var entry in lexicon.Entries)
            {
                var hit = Assert.Single(lexicon.Find($"One says {entry.Text.ToUpperInvariant()}, so."));
                Assert.Equal(entry, hit.Entry);
                Assert.Equal((9, entry.Text.Length), (hit.Start, hit.Length));
                if (char.IsLetter(entry.Text[0])) Assert.DoesNotContain(lexicon.Find($"xq{entry.Text}qx"), h => h.Entry == entry);
            }
        }
    }
}
