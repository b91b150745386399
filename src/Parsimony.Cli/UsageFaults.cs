using System.CommandLine;
using Parsimony.Files;

namespace Parsimony.Cli;

/// <summary>What is wrong with a command line, in one line per fault.</summary>
internal static class UsageFaults
{
    /// <summary>Names an unknown command or option with the closest one; else the parser's own words.</summary>
    public static string Describe(ParseResult parse, string[] args)
    {
        var command = parse.CommandResult.Command;
        bool root = command is RootCommand;
        string help = root ? "parsimony --help" : $"parsimony {command.Name} --help";
        string? unknown = parse.UnmatchedTokens.OrderByDescending(t => t.StartsWith('-')).FirstOrDefault(); // its value is unmatched too
        string faults = unknown switch
        {
            null when root && args.Length == 0 => $"Name a command: {string.Join(", ", command.Subcommands.Select(c => c.Name))}.",
            null => string.Join(" ", parse.Errors.Select(e => e.Message).Distinct()),
            _ when root => $"'{unknown}' is not a command.{JsonShape.Suggest(unknown, command.Subcommands.Select(c => c.Name))}",
            _ when unknown.StartsWith('-') => $"'{unknown}' is not an option of {command.Name}.{JsonShape.Suggest(unknown, Flags(command))}",
            _ => $"'{unknown}' is one argument more than {command.Name} takes.",
        };
        return $"{faults} See {help}";
    }

    private static IEnumerable<string> Flags(Command command) => command.Options.Select(o => o.Name).Append("--help");
}
