using System.Text;
using System.Text.Json;
using Parsimony.Tokens;
using Xunit;

namespace Parsimony.Tests.Tokens;

/// <summary>Ids made by the reference implementations (Hugging Face tokenizers; llama.cpp's GPT-2 vectors).</summary>
public sealed class GoldenIdsTests
{
    private static readonly Lazy<Tokenizer> NeoX = new(() => Tokenizer.Load(Shared.Path("data/tokenizer/gpt-neox-20b.tokenizer.json")));

    private sealed record Golden(string Text, int[] Ids, string Decoded);

    private static List<Golden> Strings() => [.. File.ReadLines(Shared.Path("data/tokenizer/golden.jsonl"))
        .Select(line => JsonSerializer.Deserialize<Golden>(line, JsonSerializerOptions.Web)!)];

    [Fact]
    public void Every_golden_string_has_the_ids_of_the_reference()
    {
        var strings = Strings();
        Assert.Equal(500, strings.Count);
        Assert.DoesNotContain(strings, s => !NeoX.Value.Encode(s.Text).SequenceEqual(s.Ids));
    }

    [Fact]
    public void Every_golden_id_list_decodes_to_the_text_of_the_reference() =>
        Assert.DoesNotContain(Strings(), s => NeoX.Value.Decode(s.Ids) != s.Decoded);

    [Fact]
    public void End_of_text_is_id_0_of_GPT_NeoX_and_vocabulary_ends_with_two_spaces()
    {
        Assert.Equal(0, NeoX.Value.EndOfTextId);
        Assert.Equal(50277, NeoX.Value.VocabularySize);
        Assert.Equal("␣␣", NeoX.Value.Display(50276));
        Assert.Equal("<id 50290>", NeoX.Value.Display(50290));
    }

    [Fact]
    public void Special_tokens_are_found_before_normalisation()
    {
        int[] ids = NeoX.Value.Encode("<|endoftext|>\u0338");      // '>' and the stroke would compose to '≯'
        Assert.Equal(0, ids[0]);
        Assert.Equal("<|endoftext|>\u0338", NeoX.Value.Decode(ids));
    }

    [Fact]
    public void GPT_2_vectors_have_the_ids_of_the_reference()
    {
        var gpt2 = Tokenizer.Load(Shared.Path("data/gpt2-tokenizer/gpt2-tokenizer.json"));
        string[] texts = File.ReadAllText(Shared.Path("data/gpt2-tokenizer/ggml-vocab-gpt-2.gguf.inp")).Split("\n__ggml_vocab_test__\n");
        string[] ids = File.ReadAllLines(Shared.Path("data/gpt2-tokenizer/ggml-vocab-gpt-2.gguf.out"));
        for (int i = 0; i < ids.Length; i++)
            Assert.Equal(ids[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse), gpt2.Encode(texts[i]));
        Assert.Equal(50256, gpt2.EndOfTextId);
        Assert.True(ids.Length > 40);
    }

    [Fact]
    public void A_lone_surrogate_is_encoded_as_the_replacement_character()
    {
        var gpt2 = Tokenizer.Load(Shared.Path("data/gpt2-tokenizer/gpt2-tokenizer.json"));
        Assert.Equal("a\uFFFDb", gpt2.Decode(gpt2.Encode("a\ud800b")));
        Assert.Equal("a\uFFFDb", NeoX.Value.Decode(NeoX.Value.Encode("a\ud800b")));
        Assert.Equal(gpt2.Encode("a\uFFFD \uFFFD"), gpt2.Encode("a\udc00 \ud83d"));
    }

    [Fact]
    public void Many_threads_may_share_one_tokenizer()
    {
        var strings = Strings();
        Parallel.For(0, 4, _ => Assert.DoesNotContain(strings, s => !NeoX.Value.Encode(s.Text).SequenceEqual(s.Ids)));
    }

    [Fact]
    public void Book_text_in_pieces_has_the_ids_of_the_whole()
    {
        string text = File.ReadAllText(Shared.Path("data/wikitext/wikitext-103-valid.tokens.txt"))[..200_000];
        List<int> pieced = [];
        for (int at = 0, n; at < text.Length; at += n)
        {
            n = Parsimony.Text.SafeCut.Length(text.AsSpan(at), 777);
            NeoX.Value.Encode(text.AsSpan(at, n), pieced);
        }
        Assert.Equal(NeoX.Value.Encode(text), pieced);
        Assert.Equal(text.Normalize(NormalizationForm.FormC), NeoX.Value.Decode([.. pieced]));
    }
}
