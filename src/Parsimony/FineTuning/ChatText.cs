using System.Text;

namespace Parsimony.FineTuning;

/// <summary>Conversations as text.</summary>
public static class ChatText
{
    /// <summary>The text that a model is given so that the assistant's next turn follows.</summary>
    /// <param name="messages">The turns so far.</param>
    /// <param name="template">How they are written.</param>
    public static string Prompt(IEnumerable<ChatMessage> messages, ChatTemplate template)
    {
        var text = new StringBuilder();
        foreach (var message in messages) text.Append(Before(message.Role, template)).Append(Of(message, template)).Append(After(template));
        return text.Append(Before(ChatRole.Assistant, template)).ToString();
    }

    /// <summary>What the model is to say for a turn of the assistant's: the text that follows <see cref="Prompt"/>.</summary>
    public static string Completion(string content, ChatTemplate template) => Of(new(ChatRole.Assistant, content), template);

    /// <summary>A whole conversation in parts, each either what the assistant says or all between: the two in turn, no part empty.</summary>
    public static IReadOnlyList<(string Text, bool BySelf)> Parts(IEnumerable<ChatMessage> messages, ChatTemplate template)
    {
        var parts = new List<(string, bool)>();
        var between = new StringBuilder();
        foreach (var message in messages)
        {
            between.Append(Before(message.Role, template));
            string said = Of(message, template);
            if (message.Role != ChatRole.Assistant) between.Append(said);
            else
            {
                parts.Add((between.ToString(), false));
                parts.Add((said, true));
                between.Clear();
            }
            between.Append(After(template));
        }
        if (between.Length > 0) parts.Add((between.ToString(), false));
        return parts;
    }

    private static string Before(ChatRole role, ChatTemplate template) => (template, role) switch
    {
        (ChatTemplate.ChatMl, _) => $"<|im_start|>{(role switch { ChatRole.System => "system", ChatRole.User => "user", _ => "assistant" })}\n",
        (_, ChatRole.User) => "\n\nHuman:",
        (_, ChatRole.Assistant) => "\n\nAssistant:",
        _ => "",
    };

    private static string Of(ChatMessage message, ChatTemplate template) => (template, message.Role) switch
    {
        (ChatTemplate.ChatMl, _) => message.Content + "<|im_end|>",
        (_, ChatRole.System) => message.Content,
        _ => " " + message.Content,
    };

    private static string After(ChatTemplate template) => template == ChatTemplate.ChatMl ? "\n" : "";
}
