using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward for words of good or bad feeling.</summary>
public sealed record SentimentRewardOptions
{
    /// <summary>The lexicon, as <see cref="SentimentLexicon.Load"/> reads it; must be given.</summary>
    [Description("sentiment lexicon in VADER's format: word, tab, valence")]
    public string Path { get; init; } = "";

    /// <summary>What this reward counts for in the sum. Default 1; below 0 it rewards bad feeling.</summary>
    [Description("what this reward counts for in the sum; below 0 it rewards bad feeling")]
    public double Weight { get; init; } = 1;

    /// <summary>What the sum of valences is multiplied by, above 0. Default 0.2, that of Marks et al. 2023 (arXiv 2310.08164).</summary>
    [Description("what the sum of valences is multiplied by")]
    public double Scale { get; init; } = 0.2;

    /// <summary>The largest reward in either direction, after the scale, above 0; null: no limit. Default 10, that of Marks et al.</summary>
    [Description("largest reward in either direction; none: no limit")]
    public double? Clip { get; init; } = 10;

    /// <summary>Whether the score lies on the tokens that make up the words; else it is of the whole text. Default true.</summary>
    [Description("lay the score on the tokens that make up the words, instead of on the text")]
    public bool PerToken { get; init; } = true;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public SentimentRewardOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(Path.Length > 0, "path", "empty", "a sentiment lexicon");
        faults.Check(double.IsFinite(Weight), "weight", Weight, "a finite number");
        faults.Check(double.IsFinite(Scale) && Scale > 0, "scale", Scale, "above 0");
        faults.Check(Clip is not { } clip || (double.IsFinite(clip) && clip > 0), "clip", Clip, "above 0, or none");
        faults.ThrowIfAny("the options of the sentiment reward");
        return this;
    }
}

/// <summary>R = scale * sum of the valences of a text's words, held within +-clip.</summary>
public sealed class SentimentReward : IReward
{
    private readonly SentimentLexicon lexicon;
    private readonly SentimentRewardOptions options;

    /// <summary>A reward by the lexicon the options name.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    /// <exception cref="FileNotFoundException">There is no such lexicon.</exception>
    /// <exception cref="InvalidDataException">It is not one.</exception>
    public SentimentReward(SentimentRewardOptions options, string name = "sentiment") =>
        (this.options, lexicon, Name) = (options.Validated(), SentimentLexicon.Load(options.Path), name);

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default) =>
        [.. texts.Select(text => HitScore.Of(text, lexicon.Find(text.Text), options.Scale, options.Clip / options.Scale, options.PerToken))];
}
