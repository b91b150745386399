using System.Runtime.InteropServices;

namespace Parsimony.Cli;

/// <summary>An exception as one sentence for a user.</summary>
internal static class ErrorSentence
{
    /// <summary>The message alone where it was written for users; else what happened and how to see more.</summary>
    public static string Of(Exception e) => e switch
    {
        ArgumentException { ParamName: { } name } => e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal),
        InvalidDataException or IOException or UnauthorizedAccessException => e.Message,
        ArgumentException or PlatformNotSupportedException => e.Message,
        NotSupportedException when e.GetType() == typeof(NotSupportedException) && IsOurs(e) => e.Message,
        InvalidOperationException when e.GetType() == typeof(InvalidOperationException) && IsOurs(e) => e.Message,
        ExternalException when e.Message.Contains("allocate memory", StringComparison.Ordinal) =>
            $"Out of memory ({FirstLine(e)}). Use a smaller batch, buffer or model.",
        _ => $"Unexpected error, {e.GetType().Name}: {FirstLine(e)} (Set {App.TraceVariable}=1 to see where.)",
    };

    /// <summary>Of the general exceptions only those thrown by this project's own code carry a sentence for users.</summary>
    private static bool IsOurs(Exception e) =>
        e.TargetSite?.DeclaringType?.Namespace?.StartsWith("Parsimony", StringComparison.Ordinal) == true;

    private static string FirstLine(Exception e) => e.Message.Split('\n')[0].Trim();
}
