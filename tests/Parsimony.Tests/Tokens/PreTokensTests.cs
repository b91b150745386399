using System.Globalization;
using CsCheck;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class PreTokensTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("Hello world", "Hello| world")]
    [InlineData("it's  so", "it|'s| | so")]
    [InlineData("we're you've I'll he'd I'm", "we|'re| you|'ve| I|'ll| he|'d| I|'m")]
    [InlineData("'S 's !'s", "'|S| '|s| !'|s")]
    [InlineData("a1b22, c!?", "a|1|b|22|,| c|!?")]
    [InlineData("a \n\n b ", "a| \n\n| b| ")]
    [InlineData("a\tb\r\nc", "a|\t|b|\r|\n|c")]
    [InlineData("x\u3000y \u00a0z", "x|\u3000|y| |\u00a0|z")]
    [InlineData("a\u0301 ½Ⅷ", "a|\u0301| ½Ⅷ")]
    [InlineData(")𝐀𝐁's 𠀀c", ")|𝐀𝐁|'s| 𠀀c")]
    [InlineData("\ud800a\udc00", "\ud800|a|\udc00")]
    public void Pieces_are_those_of_the_GPT_2_pattern(string text, string pieces)
    {
        var found = new List<string>();
        foreach (var piece in PreTokens.Split(text)) found.Add(piece.ToString());
        Assert.Equal(pieces.Length == 0 ? [] : pieces.Split('|'), found);
    }

    [Fact]
    public void Pieces_cover_any_text_and_none_is_empty() =>
        Gen.String.Sample(text =>
        {
            string whole = "";
            foreach (var piece in PreTokens.Split(text)) whole += piece.Length > 0 ? piece.ToString() : "(empty)";
            return whole == text;
        }, iter: 1000, threads: 1);

    [Fact]
    public void A_text_with_a_broken_code_unit_is_normalised_around_it()
    {
        Assert.Equal("é\uFFFEé\uFFFDé𝐀", Nfc.Apply("e\u0301\uFFFEe\u0301\ud800e\u0301𝐀"));
        Assert.Equal("\u00e9", Nfc.Apply("e\u0301"));
        Nfc.EnsureItWorks();
    }

    [Fact]
    public void Unicode_tables_are_at_least_those_the_golden_ids_were_made_with() =>
        Assert.Equal(UnicodeCategory.OtherLetter, CharUnicodeInfo.GetUnicodeCategory(0x31350)); // CJK extension H, Unicode 15
}
