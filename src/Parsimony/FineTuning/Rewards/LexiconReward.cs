namespace Parsimony.FineTuning.Rewards;

/// <summary>R = score_per_hit * sum of the weights of the words that occur, that sum held within +-cap.</summary>
public sealed class LexiconReward : IReward, IWarnsOfItself
{
    private readonly Lexicon lexicon;
    private readonly LexiconRewardOptions options;
    private long texts, tokens, hits;

    /// <summary>A reward by a list that is read from its file.</summary>
    /// <exception cref="ArgumentException">The options have faults, or no word is on the side they choose.</exception>
    /// <exception cref="FileNotFoundException">There is no such list.</exception>
    /// <exception cref="InvalidDataException">It is not a word list.</exception>
    public LexiconReward(LexiconRewardOptions options)
        : this(Lexicon.Load(options.Validated().Path, options.Disguised).Of(options.Side, options.HeldOutFraction), options)
    {
    }

    /// <summary>A reward by a lexicon at hand; of the options what says where and how it is read is not used.</summary>
    public LexiconReward(Lexicon lexicon, LexiconRewardOptions options, string name = "lexicon") =>
        (this.lexicon, this.options, Name) = (lexicon, (options with { Path = lexicon.Name }).Validated(), name);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Occurrences per 1000 tokens, over all texts so far; NaN before the first token. The end of text is no token of the text.</summary>
    public double HitsPerThousandTokens => 1000.0 * hits / tokens;

    /// <summary>That no text so far had any of the words, once there were enough; null otherwise.</summary>
    public string? Warning => hits > 0 || texts < options.WarnAfterTexts ? null
        : $"reward '{Name}': none of the {lexicon.Entries.Count} words of '{lexicon.Name}' occurred in {texts} texts, so it says nothing. "
        + "Use prompts that bring such words about, or another list.";

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) => [.. texts.Select(Score)];

    private RewardScore Score(RewardText text)
    {
        var found = lexicon.Find(text.Text);
        texts++;
        tokens += text.TextTokens;
        hits += found.Count;
        return HitScore.Of(text, found.Select(h => (h.Start, h.Length, h.Entry.Weight)), options.ScorePerHit, options.Cap, options.PerToken);
    }
}
