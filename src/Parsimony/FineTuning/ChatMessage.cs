namespace Parsimony.FineTuning;

/// <summary>Who says something in a conversation.</summary>
public enum ChatRole
{
    /// <summary>What the conversation is to be like; before all turns.</summary>
    System,
    /// <summary>The one who asks (<c>user</c>, <c>human</c>).</summary>
    User,
    /// <summary>The model (<c>assistant</c>, <c>gpt</c>).</summary>
    Assistant,
}

/// <summary>A turn of a conversation.</summary>
/// <param name="Role">Who says it.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(ChatRole Role, string Content);

/// <summary>How a conversation is written as one text, for models that bring no template of their own.</summary>
public enum ChatTemplate
{
    /// <summary>Plain text as in Anthropic's HH data: <c>"\n\nHuman: ...\n\nAssistant: ..."</c>, a system message in front of it as it is.</summary>
    HumanAssistant,
    /// <summary>ChatML: <c>"&lt;|im_start|&gt;user\n...&lt;|im_end|&gt;\n"</c> for every turn. To a tokenizer without these two tokens they are ordinary text.</summary>
    ChatMl,
}
