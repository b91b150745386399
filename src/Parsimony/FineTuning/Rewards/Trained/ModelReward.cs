using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>R = what a trained reward model gives a text, or a class' log odds; normalised as its folder says, for the text as a whole.</summary>
/// <remarks>Its language model is opened at the first text, unless it is the model at hand. Texts of another tokenizer are encoded anew.</remarks>
public sealed class ModelReward : IReward, IWarnsOfItself, IDisposable
{
    private readonly RewardHeadConfig config;
    private readonly ModelRewardOptions options;
    private readonly Transformer? model;
    private readonly Tokenizer? tokenizer;
    private readonly int output;
    private RewardHead? head;       // until the judge has it
    private RewardModel? judge;
    private long texts, cut;

    /// <summary>A reward by the folder the options name.</summary>
    /// <param name="options">Which, and what of it.</param>
    /// <param name="model">A model that is open already, such as the one that is taught; shared, not owned, where it is the reward's own. Null: none.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="name">What the reward is called.</param>
    /// <exception cref="ArgumentException">The options have faults, or the class is none of the reward's.</exception>
    /// <exception cref="FileNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public ModelReward(ModelRewardOptions options, Transformer? model = null, Tokenizer? tokenizer = null, string name = "model")
    {
        (this.options, this.model, this.tokenizer, Name) = (options.Validated(), model, tokenizer, name);
        (head, config) = RewardHeadFolder.Load(options.Path);
        output = config.IsReward ? 0 : config.Classes.ToList().IndexOf(options.Class ?? "");
        if (config.IsReward ? options.Class is null : output >= 0) return;
        head.Dispose();
        throw new ArgumentException(config.IsReward ? $"reward '{name}': '{options.Path}' is a reward model and has no classes. Leave class out."
            : $"reward '{name}': class is '{options.Class}'; '{options.Path}' tells apart {string.Join(", ", config.Classes.Select(c => $"'{c}'"))}. Give one of these.");
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>What was cut off, or that the shared model's weights are kept otherwise than when the reward was learnt; null: neither.</summary>
    public string? Warning => string.Join(" ", ((string?[])
    [
        cut == 0 ? null : $"reward '{Name}': {cut} of {texts} texts were longer than its {config.SequenceLength} tokens and lost their beginning.",
        judge is null || model is null || model.Sha256 != config.BaseModelSha256 || model.Storage == config.BaseModelWeights ? null
            : $"reward '{Name}': it was learnt on weights in {config.BaseModelWeights.Name()}, and now reads the same in {model.Storage.Name()}.",
    ]).OfType<string>()) is { Length: > 0 } sentence ? sentence : null;

    /// <inheritdoc/>
    /// <exception cref="FileNotFoundException">Its language model or SAE is not there.</exception>
    /// <exception cref="InvalidDataException">That is not the one it was learnt on.</exception>
    public IReadOnlyList<RewardScore> Score(IReadOnlyList<RewardText> texts, CancellationToken cancellation = default)
    {
        if (texts.Count == 0) return [];
        if (judge is null)
        {
            var own = head ?? throw new ObjectDisposedException(Name);
            head = null;
            judge = RewardModel.Open(own, config, model, tokenizer, options.BaseModel, options.BaseSae);
        }
        return [.. judge.Judge([.. texts.Select(Read)], cancellation).Select(verdict => new RewardScore(verdict[output]))];
    }

    private JudgedText Read(RewardText text)
    {
        bool reads = options.ReadPrompt ?? config.ReadsPrompt;
        bool same = text.Tokenizer.Sha256 == judge!.Tokenizer.Sha256;
        var ids = new List<int>();
        if (!same && reads) judge.Tokenizer.Encode(text.Text, ids, startsText: false);
        int[] prompt = !reads ? [] : same ? text.PromptTokens : judge.Tokenizer.EncodeDocument(text.Prompt);
        int[] continuation = !reads ? judge.Tokenizer.EncodeDocument(text.Text) : same ? text.Tokens : [.. ids];
        var (judged, isCut) = JudgedText.Of(prompt, continuation, config.SequenceLength, judge.Tokenizer);
        texts++;
        if (isCut) cut++;
        return judged;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        head?.Dispose();
        judge?.Dispose();
        (head, judge) = (null, null);
    }
}
