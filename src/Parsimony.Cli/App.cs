using System.CommandLine;
using System.CommandLine.Help;
using Parsimony.Cli.Commands;
using Parsimony.Files;

namespace Parsimony.Cli;

/// <summary>The whole command line: which commands there are, and what becomes of their results and errors.</summary>
internal static class App
{
    /// <summary>Exit codes: done, failed, wrong usage, interrupted (after state was saved, where the command has any).</summary>
    public const int DoneCode = 0, FailedCode = 1, UsageCode = 2, InterruptedCode = 130;

    /// <summary>Environment variable: set to 1 to see where an error was thrown.</summary>
    public const string TraceVariable = "PARSIMONY_TRACE";

    /// <summary>The commands in the order of the help text.</summary>
    private static Command[] Commands() =>
    [
        DemoCommand.Create(), PullCommand.Create(), HarvestCommand.Create(), TrainCommand.Create(), EvaluateCommand.Create(), FinetuneCommand.Create(), DpoCommand.Create(), RewardModelCommand.Create(),
        RlhfCommand.Create(), AnalyseCommand.Create(), IndexCommand.Create(), LabelCommand.Create(), ShowCommand.Create(), ReportCommand.Create(), ExploreCommand.Create(), ExportCommand.Create(), AdapterCommand.Create(), GenerateCommand.Create(), InspectCommand.Create(),
        ConvertCommand.Create(), QuantiseCommand.Create(), DoctorCommand.Create(), BenchCommand.Create(),
    ];

    /// <summary>Runs one command line.</summary>
    /// <param name="args">Without the program's name.</param>
    /// <param name="output">Results; under --json one JSON object and nothing else.</param>
    /// <param name="error">Progress and error sentences.</param>
    /// <param name="interrupted">Asks the command to save its state and stop.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken interrupted = default) =>
        Run(Commands(), args, output, error, interrupted);

    /// <summary>As above, with other commands.</summary>
    internal static int Run(Command[] commands, string[] args, TextWriter output, TextWriter error, CancellationToken interrupted)
    {
        bool json = args.Contains(CliCommand.JsonFlag);
        var terminal = new Terminal(output, error, json, interrupted);
        try
        {
            var root = new RootCommand("Sparse autoencoders on language models, and fine-tuning through their features.")
            {
                HelpName = "parsimony",
            };
            foreach (var command in commands) root.Add(command);
            foreach (var help in root.Options.OfType<HelpOption>()) help.Action = new HelpWithExamples((HelpAction)help.Action!);

            // No response files: a prompt may begin with @.
            var parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
            if (parse.Errors.Count > 0) throw new UsageException(UsageFaults.Describe(parse, args));
            int code = parse.Invoke(new CommandInvocation(terminal) { Output = output, Error = error });
            return code != 0 ? code : terminal.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return Fail(terminal, InterruptedCode, "Interrupted." + (terminal.WhenInterrupted is { } note ? " " + note : ""), null);
        }
        catch (UsageException e)
        {
            return Fail(terminal, UsageCode, e.Message, e);
        }
        catch (Exception e)
        {
            return Fail(terminal, FailedCode, ErrorSentence.Of(e), e);
        }
    }

    private static int Fail(Terminal terminal, int code, string sentence, Exception? exception)
    {
        terminal.Error.WriteLine(sentence);
        if (exception is not null && Environment.GetEnvironmentVariable(TraceVariable) == "1") terminal.Error.WriteLine(exception);
        if (terminal.Json) terminal.Output.Write(Json.Write(new Dictionary<string, string> { ["error"] = sentence }));
        return code;
    }
}
