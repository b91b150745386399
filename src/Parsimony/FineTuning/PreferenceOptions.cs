using System.ComponentModel;
using Parsimony.Training;

namespace Parsimony.FineTuning;

/// <summary>How preference pairs are read.</summary>
public sealed record PreferenceOptions
{
    /// <summary>The most tokens that a prompt and a continuation may have together, 3 or more. Default 512.</summary>
    [Description("most tokens a prompt and a continuation may have together")]
    public int SequenceLength { get; init; } = 512;

    /// <summary>What is done where they have more. Default truncate_left: the prompt loses its beginning, in both of its uses the same.</summary>
    [Description("where they have more: truncate_left cuts the prompt's beginning off, drop leaves the pair out")]
    public LongPrompts LongPrompts { get; init; } = LongPrompts.TruncateLeft;

    /// <summary>How conversations that come as lists of messages are written as text. Default human_assistant.</summary>
    [Description("how lists of messages are written as text: human_assistant or chat_ml")]
    public ChatTemplate ChatTemplate { get; init; } = ChatTemplate.HumanAssistant;

    /// <summary>These options, checked.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public PreferenceOptions Validated()
    {
        var faults = new OptionFaults();
        faults.Check(SequenceLength >= 3, "sequence_length", SequenceLength, "3 or more");
        faults.Check(Enum.IsDefined(LongPrompts), "long_prompts", LongPrompts, "truncate_left or drop");
        faults.Check(Enum.IsDefined(ChatTemplate), "chat_template", ChatTemplate, "human_assistant or chat_ml");
        faults.ThrowIfAny("the options of preference pairs");
        return this;
    }
}
