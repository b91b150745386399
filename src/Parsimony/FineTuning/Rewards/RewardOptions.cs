using System.ComponentModel;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards;

/// <summary>What a run is rewarded for: the weighted sum of the parts that are given, each called by its key.</summary>
public sealed record RewardOptions
{
    /// <summary>Words of a list. Default none.</summary>
    [Description("words of a list")]
    public LexiconRewardOptions? Lexicon { get; init; }

    /// <summary>Words of good or bad feeling. Default none.</summary>
    [Description("words of good or bad feeling")]
    public SentimentRewardOptions? Sentiment { get; init; }

    /// <summary>What matches a pattern. Default none.</summary>
    [Description("what matches a pattern")]
    public RegexRewardOptions? Regex { get; init; }

    /// <summary>Length. Default none.</summary>
    [Description("length")]
    public LengthRewardOptions? Length { get; init; }

    /// <summary>Whether the model ended the text itself. Default none.</summary>
    [Description("whether the model ended the text itself")]
    public EndOfTextRewardOptions? EndOfText { get; init; }

    /// <summary>What a trained reward model or classifier says. Default none.</summary>
    [Description("what a trained reward model or classifier says")]
    public ModelRewardOptions? Model { get; init; }

    /// <summary>What a program says. Default none.</summary>
    [Description("what a program says")]
    public ExecutableRewardOptions? Executable { get; init; }

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault of every part, or says that there is none.</exception>
    public RewardOptions Validated()
    {
        List<string> faults = [];
        foreach (var part in Parts())
        {
            try
            {
                part.Validated();
            }
            catch (ArgumentException e)
            {
                faults.Add(e.Message);
            }
        }
        if (!Parts().Any()) faults.Add("no reward is given; give one or more of lexicon, sentiment, regex, length, end_of_text, model, executable.");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join(" ", faults));
    }

    /// <summary>The sum of these rewards, its lists read. Others, such as a <see cref="DelegateReward"/>, can be put beside it in a <see cref="WeightedRewards"/>.</summary>
    /// <param name="model">A model that is open already, such as the one that is taught: a trained reward on the same model reads it instead of opening its own. Not
    /// owned. Null: none.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    /// <exception cref="FileNotFoundException">A list or a reward model is not there.</exception>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public WeightedRewards Create(Transformer? model = null, Tokenizer? tokenizer = null)
    {
        Validated();
        var made = new List<(IReward Reward, double Weight)>();
        try
        {
            foreach (var part in Parts(model, tokenizer)) made.Add((part.Create(), part.Weight));
            return new WeightedRewards(made);
        }
        catch
        {
            foreach (var (reward, _) in made) (reward as IDisposable)?.Dispose();
            throw;
        }
    }

    private IEnumerable<(Func<object> Validated, Func<IReward> Create, double Weight)> Parts(Transformer? model = null, Tokenizer? tokenizer = null)
    {
        if (Lexicon is { } lexicon) yield return (lexicon.Validated, () => new LexiconReward(lexicon), lexicon.Weight);
        if (Sentiment is { } sentiment) yield return (sentiment.Validated, () => new SentimentReward(sentiment), sentiment.Weight);
        if (Regex is { } regex) yield return (regex.Validated, () => new RegexReward(regex), regex.Weight);
        if (Length is { } length) yield return (length.Validated, () => new LengthReward(length), length.Weight);
        if (EndOfText is { } endOfText) yield return (endOfText.Validated, () => new EndOfTextReward(endOfText), endOfText.Weight);
        if (Model is { } trained) yield return (trained.Validated, () => new ModelReward(trained, model, tokenizer), trained.Weight);
        if (Executable is { } executable) yield return (executable.Validated, () => new ExecutableReward(executable), executable.Weight);
    }
}
