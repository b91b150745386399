using System.Text;
using Parsimony.Tokens;
using Parsimony.Tools.Tokenizers;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class BpeTrainerTests
{
    private static string[] Merges(BpeVocabulary v) =>
        [.. v.Merges.Select(m => Encoding.UTF8.GetString(v.Tokens[m.Left]) + "+" + Encoding.UTF8.GetString(v.Tokens[m.Right]))];

    [Fact]
    public void The_most_frequent_pair_is_merged_first_and_merges_build_on_merges() =>
        Assert.Equal(["b+c", "a+bc"], Merges(BpeTrainer.Train(["abc\nabc\nxbc"], 259)));

    [Fact]
    public void Ties_go_to_the_pair_of_lower_ids() =>
        Assert.Equal(["a+b", "c+d", "x+y"], Merges(BpeTrainer.Train(["xy\ncd\nab"], 260)));

    [Fact]
    public void Runs_of_one_character_are_merged_from_the_left()
    {
        var vocabulary = BpeTrainer.Train(["aaaaa"], 300);
        Assert.Equal(["a+a", "aa+a", "aa+aaa"], Merges(vocabulary));
    }

    [Fact]
    public void Nothing_is_merged_across_pieces() =>
        Assert.DoesNotContain(BpeTrainer.Train(["the cat the cat the cat"], 300).Tokens.Select(Encoding.UTF8.GetString), t => t.Contains("e ", StringComparison.Ordinal));

    [Fact]
    public void The_vocabulary_ends_early_when_nothing_is_left_to_merge() =>
        Assert.Equal(257 + 1, BpeTrainer.Train(["ab"], 4096).Tokens.Count);

    [Fact]
    public void A_vocabulary_without_room_for_the_bytes_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => BpeTrainer.Train(["ab"], 256));

    [Fact]
    public void The_tokenizer_reads_the_file_and_gives_back_every_byte()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "tokenizer.json");
        File.WriteAllText(path, TokenizerJson.Write(BpeTrainer.Train(["the cat sat on the mat, the cat"], 265)));
        var tokenizer = Tokenizer.Load(path);
        Assert.Equal(265, tokenizer.VocabularySize);
        Assert.Equal(0, tokenizer.EndOfTextId);
        const string text = "the cats ☃ said: \"mêow\"\n\n<|endoftext|>the";
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.True(tokenizer.Encode("the cat").Length == 2);
    }

    [Fact]
    public void The_bundled_tokenizer_has_4096_tokens_and_end_of_text_is_0()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));
        Assert.Equal(4096, tokenizer.VocabularySize);
        Assert.Equal(0, tokenizer.EndOfTextId);
        Assert.Equal("Peter Rabbit ran home.", tokenizer.Decode(tokenizer.Encode("Peter Rabbit ran home.")));
    }
}
