using System.Text.Json;

namespace Parsimony.FineTuning;

/// <summary>Conversations in JSON: lists of <c>{"role", "content"}</c>, or of <c>{"from", "value"}</c> as ShareGPT has them.</summary>
internal static class ChatRows
{
    /// <summary>The fields that hold a conversation.</summary>
    public static readonly string[] Fields = ["messages", "conversations"];

    /// <summary>The turns of a list, or of a single message.</summary>
    /// <exception cref="InvalidDataException">It is neither, or a role is not known; the message begins with <paramref name="where"/>.</exception>
    public static List<ChatMessage> Messages(JsonElement turns, string where) => turns.ValueKind switch
    {
        JsonValueKind.Array => [.. turns.EnumerateArray().Select(turn => Message(turn, where))],
        _ => [Message(turns, where)],
    };

    private static ChatMessage Message(JsonElement turn, string where)
    {
        string? role = JsonRows.Text(turn, "role") ?? JsonRows.Text(turn, "from"), content = JsonRows.Text(turn, "content") ?? JsonRows.Text(turn, "value");
        if (role is null || content is null) throw new InvalidDataException(
            $"{where}: a message is not {{\"role\": \"...\", \"content\": \"...\"}} or {{\"from\": \"...\", \"value\": \"...\"}}, both texts. Correct or delete the row.");
        return new(role switch
        {
            "system" => ChatRole.System,
            "user" or "human" => ChatRole.User,
            "assistant" or "gpt" => ChatRole.Assistant,
            _ => throw new InvalidDataException($"{where}: '{role}' is no role. Roles are system, user (human) and assistant (gpt); rename it, or delete the row."),
        }, content);
    }
}
