using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

public sealed class TokenizerTests
{
    private static readonly Tokenizer Tiny = TinyTokenizer.Load();
    private static readonly Tokenizer Plain = TinyTokenizer.Load(json => json["normalizer"] = null);

    /// <summary>Text of everything that is treated specially somewhere, and of any code unit at all.</summary>
    internal static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.OneOf("hello", " hello", "he", " ", "  ", "     ", "\n", "\r\n", "\t", "é", "e\u0301", "\u0338", "'s", "<|endoftext|>",
            "<|endo", "𝐀", "🦙", "\ud83e", "\udd99", "\uFFFE", "\u3000", "天", "가", "\u1100\u1161", "1½", "\0"),
        Gen.Char.Select(c => c.ToString())).Array[0, 20].Select(string.Concat);

    [Theory]
    [InlineData("", new int[0])]
    [InlineData("hello", new[] { 260 })]
    [InlineData(" hello", new[] { 261 })]
    [InlineData("help", new[] { 257, 109, 113 })]
    [InlineData("hellhe", new[] { 259, 257 })]
    [InlineData("HE", new[] { 73, 70 })]
    [InlineData("   hello", new[] { 264, 261 })]
    [InlineData("       x", new[] { 263, 264, 33, 121 })]
    [InlineData("é", new[] { 262 })]
    [InlineData("e\u0301", new[] { 262 })]
    [InlineData("hello<|endoftext|> hello", new[] { 260, 0, 261 })]
    [InlineData("<|endoftext", new[] { 61, 125, 102, 111, 101, 112, 103, 117, 102, 121, 117 })]
    public void Ids_are_those_derived_by_hand(string text, int[] ids)
    {
        Assert.Equal(ids, Tiny.Encode(text));
        Assert.Equal(text.Normalize(NormalizationForm.FormC), Tiny.Decode(ids));
    }

    [Fact]
    public void Decoding_gives_back_the_bytes_of_any_text() => AnyText.Sample(text =>
        Plain.DecodeBytes(Plain.Encode(text)).AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(text))
        && (text.Contains("<|endoftext|>", StringComparison.Ordinal)    // around a special token each side is normalised by itself
            || Tiny.DecodeBytes(Tiny.Encode(text)).AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(Nfc.Apply(text)))), iter: 2000, threads: 1);

    [Fact]
    public void Merges_may_be_pairs_and_the_model_may_leave_its_type_out()
    {
        var pairs = TinyTokenizer.Load(json =>
        {
            var merges = json["model"]!["merges"]!.AsArray().Select(m => new JsonArray([.. m!.ToString().Split(' ')])).ToArray<JsonNode>();
            json["model"]!["merges"] = new JsonArray(merges);
            json["model"]!.AsObject().Remove("type");
        });
        AnyText.Sample(text => pairs.Encode(text).SequenceEqual(Tiny.Encode(text)), iter: 100, threads: 1);
    }

    [Fact]
    public void A_prefix_space_is_put_before_each_text_that_has_none()
    {
        var prefixed = TinyTokenizer.Load(json => json["pre_tokenizer"]!["add_prefix_space"] = true);
        Assert.Equal([261], prefixed.Encode("hello"));
        Assert.Equal([261], prefixed.Encode(" hello"));
        Assert.Equal([261, 0, 261], prefixed.Encode("hello<|endoftext|>hello"));
    }

    [Fact]
    public void What_the_file_says_about_itself_is_kept()
    {
        Assert.Equal(265, Tiny.VocabularySize);
        Assert.Equal(0, Tiny.EndOfTextId);
        Assert.Matches("^[0-9a-f]{64}$", Tiny.Sha256);
        Assert.NotEqual(Tiny.Sha256, Plain.Sha256);
        Assert.Null(TinyTokenizer.Load(json => json["added_tokens"] = new JsonArray()).EndOfTextId);
    }

    [Fact]
    public void An_empty_text_is_gone_on_from_at_the_start_token_and_where_there_is_none_refused()
    {
        Assert.Equal(Tiny.EncodeDocument("ab"), Tiny.EncodePrompt("ab"));
        Assert.Equal([0], Tiny.EncodePrompt(""));
        var bare = TinyTokenizer.Load(json => json["added_tokens"] = new JsonArray());
        Assert.Null(bare.StartId);
        Assert.Contains("no beginning or end of text to start from", Assert.Throws<ArgumentException>(() => bare.EncodePrompt("")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Invisible_characters_and_parts_of_characters_are_shown()
    {
        Assert.Equal("␣hello", Tiny.Display(261));
        Assert.Equal("é", Tiny.Display(262));
        Assert.Equal("<0xC3>", Tiny.Display(0xC3 + 1));
        Assert.Equal(["↵", "⇥", "<U+0000>", "<U+000D>"], new[] { '\n', '\t', '\0', '\r' }.Select(c => Tiny.Display(c + 1)));
        Assert.Equal("<|endoftext|>", Tiny.Display(0));
        Assert.Equal("<id 300>", Tiny.Display(300));
    }

    [Fact]
    public void An_id_without_a_token_adds_nothing_and_a_negative_one_is_refused()
    {
        Assert.Equal("hello", Tiny.Decode([300, 260, int.MaxValue]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Tiny.Decode([-1]));
    }

    [Fact]
    public void One_endless_word_takes_bounded_time_and_loses_nothing()
    {
        string text = new string('h', 32767) + "𝐀" + new string('e', 100_000);
        Assert.Equal(text, Tiny.Decode(Tiny.Encode(text)));
    }

    [Fact]
    public void Streamed_text_is_the_decoded_text() => Gen.Int[0, 270].Array[0, 40].Sample(ids =>
    {
        var decoder = new StreamingDecoder(Tiny);
        return string.Concat(ids.Select(decoder.Push)) + decoder.Flush() == Tiny.Decode(ids);
    }, iter: 2000, threads: 1);

    [Fact]
    public void A_character_is_streamed_when_its_last_byte_has_come()
    {
        var decoder = new StreamingDecoder(Tiny);
        Assert.Equal(["", "", "", "🦙", "hello", ""], new[] { 0xF0 + 1, 0x9F + 1, 0xA6 + 1, 0x99 + 1, 260, 0xF0 + 1 }.Select(decoder.Push));
        Assert.Equal("\uFFFD", decoder.Flush());
        Assert.Equal("", decoder.Flush());
    }
}
