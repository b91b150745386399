namespace Parsimony.Cli;

/// <summary>The command was called wrongly: exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
