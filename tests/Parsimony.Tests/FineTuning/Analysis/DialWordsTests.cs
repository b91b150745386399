using Parsimony.FineTuning.Analysis;
using Xunit;

namespace Parsimony.Tests.FineTuning.Analysis;

/// <summary>The rules by which dials are put in words.</summary>
public sealed class DialWordsTests
{
    [Theory]
    [InlineData(1, 0, 0.1, 0.1, 0, 1, DialWord.Unchanged)]
    [InlineData(2, 1, 0, 0, 0, 1, DialWord.Silent)]
    [InlineData(1, -9, 0.1, 0, 9, 1, DialWord.Off)]
    [InlineData(1, 1, 0, 0.1, -1, 1, DialWord.Born)]
    [InlineData(-1, 0, 0.1, 0.2, 0, 1, DialWord.Inverted)]
    [InlineData(1, 1, 0.5, 0.99, -1, double.NaN, DialWord.AlwaysOn, DialWord.Earlier)]
    [InlineData(0.5, -0.1, 0.5, 0.4, 0.2, 0.4, DialWord.Later, DialWord.Quieter)]
    [InlineData(2, 0, 0.5, 0.5, 0, 2, DialWord.Louder)]
    [InlineData(1.005, 0.005, 0.5, 0.5, -0.005, 1.008, DialWord.Barely)]
    public void A_latent_has_the_words_of_what_became_of_it(double scale, double shift, double before, double after, double threshold, double loudness, params DialWord[] words) =>
        Assert.Equal(words, DialWords.Of(scale, shift, before, after, () => (threshold, 1, loudness)));
}
