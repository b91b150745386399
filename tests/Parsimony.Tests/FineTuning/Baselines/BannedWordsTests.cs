using Parsimony.FineTuning.Baselines;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

public sealed class BannedWordsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Lazy<Tokenizer> bytes;
    private static readonly Tokenizer Bundled = Tokenizer.Load(Path.Combine(Shared.RepositoryRoot(), "assets", "demo"));

    public BannedWordsTests() => bytes = new(() => Tokenizer.Load(SomeFolder.Model(folder.Path)));

    private static Lexicon Of(params string[] words) => new("some", words.Select(w => new LexiconEntry(w)));

    private static bool IsBanned(Tokenizer tokenizer, Lexicon lexicon, string prompt, string said, string next) =>
        new BannedWords(tokenizer, lexicon).Banned(tokenizer.Encode(prompt), tokenizer.Encode(said)).Contains(tokenizer.Encode(next).Single());

    [Theory]
    [InlineData("", "", "a", true)]                 // at the very beginning
    [InlineData("", "b", "a", false)]               // within a longer word
    [InlineData("b", "", "a", true)]                // the continuation alone begins with it
    [InlineData("b", "b", "a", false)]
    [InlineData("", "b ", "A", true)]
    [InlineData("", "ba", "b", false)]
    [InlineData("", "a", " ", false)]               // it was said before; what follows is free
    [InlineData("", "x bo", "o", true)]             // several tokens: the completing one
    [InlineData("", "x-BO", "O", true)]
    [InlineData("", "xbo", "o", false)]
    [InlineData("x bo", "", "o", true)]             // begun by the prompt
    [InlineData("xbo", "", "o", false)]
    [InlineData("", "x go", "y", false)]
    [InlineData("", "go  b", "y", true)]            // a phrase, its space being any white space
    [InlineData("", "go\n\nb", "y", true)]
    [InlineData("", "go-b", "y", true)]
    [InlineData("", "gob", "y", false)]
    public void The_completing_token_is_banned_and_no_other(string prompt, string said, string next, bool banned) =>
        Assert.Equal(banned, IsBanned(bytes.Value, Of("a", "boo", "go by"), prompt, said, next));

    [Fact]
    public void A_letter_that_is_two_tokens_is_seen_when_it_is_whole()
    {
        var tokenizer = bytes.Value;
        int[] word = tokenizer.Encode("été");
        var ban = new BannedWords(tokenizer, Of("été"));
        Assert.Contains(word[^1], ban.Banned([], word[..^1]));
        Assert.DoesNotContain(word[^2], ban.Banned([], word[..^2]));
        Assert.Contains(word[^1], ban.Banned([], [.. tokenizer.Encode("ÉT"), word[^2]]));
        Assert.DoesNotContain(word[^1], ban.Banned([], [.. tokenizer.Encode("at"), word[^2]]));
    }

    [Theory]
    [InlineData("Once upon a", " time", true)]
    [InlineData("Once upon a ", "time", true)]
    [InlineData("some", "time", false)]
    public void Words_are_banned_with_and_without_a_space_in_front_in_a_real_vocabulary(string said, string next, bool banned)
    {
        Assert.Single(Bundled.Encode(next));
        Assert.Equal(banned, IsBanned(Bundled, Of("time"), "x ", said, next));
    }

    [Fact]
    public void However_a_word_is_cut_into_tokens_it_is_not_completed()
    {
        // Random texts of a real vocabulary's pieces of a word and a phrase, in every way they can be cut.
        var lexicon = Of("tim", "up on");
        var ban = new BannedWords(Bundled, lexicon);
        int[] pieces = [.. Enumerable.Range(0, Bundled.VocabularySize).Where(id => Bundled.Decode([id]) is { Length: > 0 } text && " tim up on ".Contains(text, StringComparison.OrdinalIgnoreCase))];
        Assert.True(pieces.Length > 10);
        var random = new Random(3);
        int without = 0;
        for (int run = 0; run < 100; run++)
        {
            List<int> free = [], said = [];
            for (int t = 0; t < 60; t++)
            {
                free.Add(pieces[random.Next(pieces.Length)]);
                int[] allowed = [.. pieces.Except(ban.Banned([], said))];
                said.Add(allowed[random.Next(allowed.Length)]);
            }
            without += lexicon.Find(Bundled.Decode([.. free])).Count;
            Assert.Empty(lexicon.Find(Bundled.Decode([.. said])));
        }
        Assert.True(without > 50);
    }

    [Fact]
    public void Banned_words_never_appear_in_what_is_generated()
    {
        using var model = Transformer.Load(SomeFolder.Model(folder.Path));
        var (tokenizer, lexicon) = (bytes.Value, Of("a", "bb", "ab a", "é"));
        int[] letters = [.. tokenizer.Encode("aAbB -é")];
        Tensor Letters(Tensor logits, IReadOnlyList<int[]> prompts, IReadOnlyList<IReadOnlyList<int>> said)
        {
            var mask = ones(logits.size(-1), ScalarType.Bool);
            foreach (int id in letters) mask[id] = tensor(false);
            return logits.masked_fill(mask, float.NegativeInfinity);
        }
        var ban = new BannedWords(tokenizer, lexicon).Processor;
        int[][] prompts = [tokenizer.Encode("b"), tokenizer.Encode("ab "), tokenizer.Encode("x")];
        int Hits(LogitsProcessor processor, double temperature) => Enumerable.Range(0, 8).Sum(seed => Generation.Generate(
            model, prompts, new SamplingOptions { MaxNewTokens = 40, Seed = seed, Temperature = temperature }, onLogits: processor).Sum(row => lexicon.Find(tokenizer.Decode(row)).Count));
        foreach (double temperature in (double[])[0, 1, 3])
            Assert.Equal(0, Hits((l, p, c) => ban(Letters(l, p, c), p, c), temperature));
        Assert.True(Hits(Letters, 3) > 50);
    }

    [Fact]
    public void What_is_not_banned_keeps_its_logit_and_nothing_is_left_behind()
    {
        var tokenizer = bytes.Value;
        var ban = new BannedWords(tokenizer, Of("a"));
        using var scope = NewDisposeScope();
        var logits = randn(2, 257);
        var before = logits.clone();
        var after = ban.Processor(logits, [[1], [1]], [[], tokenizer.Encode("b")]);
        Assert.True(before.SameBits(logits) && after[1].SameBits(logits[1]));
        int[] banned = [.. Enumerable.Range(0, 257).Where(id => float.IsNegativeInfinity(after[0, id].item<float>()))];
        Assert.Equal(new[] { "a", "A" }.Select(t => tokenizer.Encode(t)[0]).Order(), banned);
        long live = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        ban.Processor(logits, [[1], [1]], [[], []]).Dispose();
        Assert.Equal(live, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose() => folder.Dispose();
}
