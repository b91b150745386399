using System.CommandLine;
using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Native;

namespace Parsimony.Cli;

/// <summary>A command: its options record is its configuration file and its flags.</summary>
internal sealed class CliCommand : Command
{
    /// <summary>Flags that every command has.</summary>
    public const string JsonFlag = "--json", ConfigFlag = "--config", ThreadsFlag = "--threads";

    private CliCommand(string name, string description, string[] examples) : base(name, description) => Examples = examples;

    /// <summary>Command lines shown under the help text.</summary>
    public string[] Examples { get; }

    /// <summary>Makes a command.</summary>
    /// <typeparam name="T">Its options: a record whose properties become flags, and the keys of a --config file.</typeparam>
    /// <param name="name">As typed.</param>
    /// <param name="description">One sentence for the help text.</param>
    /// <param name="run">Does the work; what it returns is printed under --json. What people read it says through the terminal.</param>
    /// <param name="examples">Command lines for the help text.</param>
    /// <param name="needsTorch">Whether libtorch must load before <paramref name="run"/>.</param>
    public static Command Create<T>(
        string name, string description, Func<T, Terminal, object> run, string[] examples, bool needsTorch = true) where T : class =>
        Create<T>(name, description, (options, _, terminal) => run(options, terminal), examples, needsTorch);

    /// <summary>Makes a command that reads further options from a file of its own.</summary>
    /// <typeparam name="T">Its options.</typeparam>
    /// <param name="name">As typed.</param>
    /// <param name="description">One sentence for the help text.</param>
    /// <param name="run">Does the work; its second argument binds the command line anew, with an object (and the name of its source, for messages) over the
    /// --config file and under the flags.</param>
    /// <param name="examples">Command lines for the help text.</param>
    /// <param name="needsTorch">Whether libtorch must load before <paramref name="run"/>.</param>
    public static Command Create<T>(
        string name, string description, Func<T, Func<JsonObject, string, T>, Terminal, object> run, string[] examples, bool needsTorch = true) where T : class
    {
        var command = new CliCommand(name, description, examples);
        var binder = new OptionBinder<T>();
        binder.AddTo(command);
        var config = new Option<string?>(ConfigFlag) { Description = "JSON file with these options; flags go over it", HelpName = "file" };
        var threads = new Option<int>(ThreadsFlag) { Description = "threads of one operation [default: all cores]", HelpName = "number" };
        command.Add(config);
        command.Add(threads);
        command.Add(new Option<bool>(JsonFlag) { Description = "print the result as one JSON object, and nothing else, on standard output" });
        command.SetAction(parse =>
        {
            var terminal = ((CommandInvocation)parse.InvocationConfiguration).Terminal;
            if (parse.GetValue(threads) is < 0 and var wrong)
                throw new UsageException($"{ThreadsFlag} is {wrong}; it must be 1 or more, or 0 for all cores.");
            var options = binder.Bind(parse, parse.GetValue(config));
            if (needsTorch) TorchRuntime.EnsureLoaded();
            if (parse.GetValue(threads) > 0) TorchRuntime.UseThreads(parse.GetValue(threads));
            object result = run(options, (json, source) => binder.Bind(parse, parse.GetValue(config), json, source), terminal);
            if (terminal.Json) terminal.Output.Write(Json.Write(result));
            return App.DoneCode;
        });
        return command;
    }
}

/// <summary>Carries the terminal to the command's action.</summary>
internal sealed class CommandInvocation : InvocationConfiguration
{
    /// <summary>Exceptions pass: <see cref="App"/> makes them sentences and exit codes.</summary>
    public CommandInvocation(Terminal terminal) => (Terminal, EnableDefaultExceptionHandler) = (terminal, false);

    /// <summary>Where the command writes.</summary>
    public Terminal Terminal { get; }
}
