using Parsimony.Tokens;
using Parsimony.Tools.Sampling;
using Parsimony.Tools.Tokenizers;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class CorpusSamplerTests
{
    [Theory]
    [InlineData("He ran. \"Oh!\" said he, and", "He ran. \"Oh!\"")]
    [InlineData("He ran.", "He ran.")]
    [InlineData("no end", "no end")]
    public void A_document_cut_short_ends_with_its_last_whole_sentence(string text, string whole) =>
        Assert.Equal(whole, CorpusSampler.ToLastSentence(text));

    [Fact]
    public void The_same_seed_draws_the_same_corpus_of_the_size_asked_for()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "tokenizer.json");
        File.WriteAllText(path, TokenizerJson.Write(BpeTrainer.Train(["ab"], 258)));
        var tokenizer = Tokenizer.Load(path);
        using var model = Some.Model(layers: 1); // its 40 ids are end-of-text and the first one-byte tokens
        var options = new CorpusOptions { Bytes = 900, DocumentTokens = 100, Rows = 3 };
        string[] drawn = [.. CorpusSampler.Draw(model, tokenizer, options)];
        Assert.Equal(drawn, CorpusSampler.Draw(model, tokenizer, options));
        Assert.True(drawn.Sum(d => d.Length) >= 900);
        Assert.NotEqual(drawn[0], CorpusSampler.Draw(model, tokenizer, options with { Seed = 1 }).First());
    }
}
