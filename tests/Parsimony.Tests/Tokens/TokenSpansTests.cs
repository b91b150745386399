using System.Text;
using System.Text.Json;
using CsCheck;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class TokenSpansTests
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();

    [Fact]
    public void A_part_of_the_text_names_the_tokens_it_comes_from()
    {
        var spans = new TokenSpans(Tiny, [.. Tiny.Encode("hello hello!"), .. Tiny.Encode("hey")]); // hello| hello|!|he|y
        Assert.Equal("hello hello!hey", spans.Text);
        Assert.Equal((0, 1), spans.Of(0, 5));
        Assert.Equal((0, 2), spans.Of(4, 2));
        Assert.Equal((1, 1), spans.Of(6, 5));
        Assert.Equal((2, 1), spans.Of(11, 1));
        Assert.Equal((3, 2), spans.Of(12, 3));
        Assert.Equal((0, 5), spans.Of(0, 15));
        Assert.Throws<ArgumentOutOfRangeException>(() => spans.Of(14, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => spans.Of(3, 0));
    }

    [Fact]
    public void A_character_of_several_tokens_comes_from_all_of_them()
    {
        var spans = new TokenSpans(Tiny, Tiny.Encode("a🙂é")); // a, four bytes, é in one
        Assert.Equal((1, 4), spans.Of(1, 2));
        Assert.Equal((1, 4), spans.Of(1, 1)); // half of a surrogate pair: the whole of it
        Assert.Equal((1, 4), spans.Of(2, 1));
        Assert.Equal((5, 1), spans.Of(3, 1));
    }

    [Fact]
    public void The_text_is_the_decoded_one_whatever_the_bytes() =>
        Gen.Int[0, 264].Array[0, 40].Sample(ids =>
        {
            var spans = new TokenSpans(Tiny, ids);
            return spans.Text == Tiny.Decode(ids)
                && (spans.Text.Length == 0 || spans.Of(0, spans.Text.Length) is var (first, count) && first == 0 && count == ids.Length);
        });

    [Fact]
    public void On_the_reference_texts_each_tokens_own_characters_lead_back_to_it()
    {
        var tokenizer = Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json"));
        foreach (string line in File.ReadLines(Shared.Path("data/tokenizer/golden.jsonl")))
        {
            using var json = JsonDocument.Parse(line);
            int[] ids = [.. json.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            var spans = new TokenSpans(tokenizer, ids);
            Assert.Equal(tokenizer.Decode(ids), spans.Text);
            for (int t = 0, at = 0; t < ids.Length; t++)
            {
                string own = tokenizer.Decode([ids[t]]);
                if (own.Contains('\uFFFD')) break; // part of a character: where it begins is not told by its text
                Assert.Equal((t, 1), spans.Of(at, own.Length));
                at += own.Length;
            }
        }
    }
}
