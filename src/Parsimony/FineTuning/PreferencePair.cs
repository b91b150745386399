namespace Parsimony.FineTuning;

/// <summary>A prompt with a better and a worse continuation, as token ids. Both continuations end in the end of text, where the tokenizer has one.</summary>
/// <param name="Prompt">The prompt; may be empty.</param>
/// <param name="Chosen">The better continuation.</param>
/// <param name="Rejected">The worse one; another than the better.</param>
public sealed record PreferencePair(int[] Prompt, int[] Chosen, int[] Rejected)
{
    /// <summary>The prompt with the better continuation, whose tokens are the targets.</summary>
    public SftExample ChosenExample => Example(Chosen);

    /// <summary>The prompt with the worse continuation, whose tokens are the targets.</summary>
    public SftExample RejectedExample => Example(Rejected);

    /// <summary>Tokens of the prompt and the longer continuation.</summary>
    public int LongestTokens => Prompt.Length + Math.Max(Chosen.Length, Rejected.Length);

    // Without a prompt there is nothing the first token could be predicted from.
    private SftExample Example(int[] continuation) => new([.. Prompt, .. continuation], Math.Max(1, Prompt.Length));
}
