using System.Text.RegularExpressions;
using CsCheck;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class WordPreTokensTests
{
    private const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static string[] Pieces(string text, int mostDigits)
    {
        var found = new List<string>();
        for (int start = 0, end; start < text.Length; start = end)
        {
            end = WordPreTokens.End(text, start, mostDigits);
            found.Add(text[start..end]);
        }
        return [.. found];
    }

    [Theory]
    [InlineData("It's 12345 o'clock!!\n\nYes", "It|'s| |123|45| o|'clock|!!\n\n|Yes")]
    [InlineData("a  b\t\tc", "a| | b|\t|\tc")]
    [InlineData("x \n \n y", "x| \n \n| y")]
    [InlineData("WE'LL 'S", "WE|'LL| '|S")]
    [InlineData("(𝐀𝐁) 𠀀", "(𝐀𝐁|)| 𠀀")]
    [InlineData("end  ", "end|  ")]
    public void Pieces_are_those_of_the_pattern(string text, string pieces) => Assert.Equal(pieces.Split('|'), Pieces(text, 3));

    [Fact]
    public void Any_text_of_the_basic_plane_is_cut_as_the_regular_expression_cuts_it()
    {
        var any = Gen.OneOf(Gen.OneOf("'s", "'S", "'ll", "'", " ", "  ", "\n", "\r\n", "\t", "\u3000", "a", "Bc", "é", "\u0301", "1", "22", "½", "!", "...", "天"), Gen.Char['!', '~'].Select(c => $"{c}"))
            .Array[0, 16].Select(string.Concat);
        any.Sample(text => Pieces(text, 3).SequenceEqual(Regex.Matches(text, Llama3).Select(m => m.Value))
            && Pieces(text, 1).SequenceEqual(Regex.Matches(text, Llama3.Replace("{1,3}", "")).Select(m => m.Value)), iter: 2000, threads: 1);
    }

    [Fact]
    public void A_tokenizer_is_given_its_pattern_by_the_text_of_it_and_may_take_whole_pieces()
    {
        string Split(string regex) => $$"""
            {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": {{System.Text.Json.JsonSerializer.Serialize(regex)}}}, "behavior": "Isolated", "invert": false},
             {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]}
            """;
        var llama = TinyTokenizer.Load(json =>
        {
            json["pre_tokenizer"] = System.Text.Json.Nodes.JsonNode.Parse(Split(Llama3));
            json["model"]!["vocab"]!["Ġzoo"] = 300; // no merge leads to it
            json["model"]!["ignore_merges"] = true;
        });
        Assert.Equal([300], llama.Encode(" zoo"));
        Assert.Equal([261], llama.Encode(" hello"));
        Assert.Equal("1234 zoo\thello", llama.Decode(llama.Encode("1234 zoo\thello")));
        var digits = TinyTokenizer.Load(json =>
        {
            json["pre_tokenizer"] = System.Text.Json.Nodes.JsonNode.Parse("""
                {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}
                """);
            json["model"]!["vocab"]!["12"] = 300;
            json["model"]!["vocab"]!["Ġ1"] = 301;
            json["model"]!["merges"]!.AsArray().Add("1 2");
            json["model"]!["merges"]!.AsArray().Add("Ġ 1");
        });
        Assert.Equal([.. " 12".Select(c => c + 1)], digits.Encode(" 12"));
        Assert.Equal([261, '1' + 1, 260], digits.Encode(" hello1hello"));
    }
}
