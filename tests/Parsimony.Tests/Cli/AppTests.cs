using System.CommandLine;
using System.Text.Json;
using Parsimony.Cli;
using Xunit;

namespace Parsimony.Tests.Cli;

public sealed class AppTests
{
    internal sealed record Config
    {
        public string Fail { get; init; } = "";
        public int Steps { get; init; } = 3;
    }

    [Fact]
    public void A_result_is_text_or_json_and_never_both()
    {
        Assert.Equal((0, "3 steps\n", ""), Run("work"));
        var (code, output, error) = Run("work", "--steps", "5", "--json");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal(5, JsonDocument.Parse(output).RootElement.GetProperty("steps").GetInt32());
    }

    [Theory]
    [InlineData("io", 1, "no such file.")]
    [InlineData("argument", 1, "x is wrong.")]
    [InlineData("ours", 1, "a sentence.")]
    [InlineData("bug", 1, "Unexpected error, KeyNotFoundException: ")]
    [InlineData("cancel", 130, "Interrupted. State is saved.")]
    public void Every_failure_is_one_sentence_and_an_exit_code(string fail, int expectedCode, string sentence)
    {
        var (code, output, error) = Run("work", "--fail", fail);
        Assert.Equal((expectedCode, ""), (code, output));
        Assert.StartsWith(sentence, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(c => c == '\n'));

        (code, output, error) = Run("work", "--fail", fail, "--json");
        Assert.Equal(expectedCode, code);
        Assert.Equal(error.Trim(), JsonDocument.Parse(output).RootElement.GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("Name a command: work. See parsimony --help")]
    [InlineData("'wurk' is not a command. Did you mean 'work'? Allowed: work. See parsimony --help", "wurk")]
    [InlineData("'--step' is not an option of work. Did you mean '--steps'? Allowed: --config, --fail, --help, --json, --steps, --threads. See parsimony work --help",
        "work", "--step", "4")]
    [InlineData("'more' is one argument more than work takes. See parsimony work --help", "work", "more")]
    [InlineData("--steps is 'x'; expected a whole number.", "work", "--steps", "x")]
    [InlineData("--threads is -1; it must be 1 or more, or 0 for all cores.", "work", "--threads", "-1")]
    public void Wrong_usage_is_exit_code_2(string sentence, params string[] args) => Assert.Equal((2, "", sentence + "\n"), Run(args));

    [Fact]
    public void A_missing_configuration_file_is_named() =>
        Assert.Equal((1, "", "'/nope.json' does not exist; --config expects a JSON file.\n"), Run("work", "--config", "/nope.json"));

    [Fact]
    public void Help_shows_defaults_and_examples()
    {
        var (code, output, _) = Run("work", "--help");
        Assert.Equal(0, code);
        Assert.Contains("[default: 3]", output, StringComparison.Ordinal);
        Assert.Contains("Examples:\n  parsimony work --steps 4", output, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        var command = CliCommand.Create<Config>("work", "Works.", Work, ["parsimony work --steps 4"], needsTorch: false);
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = App.Run([command], args, output, error, default);
        return (code, output.ToString(), error.ToString());
    }

    private static Config Work(Config config, Terminal terminal)
    {
        terminal.WhenInterrupted = "State is saved.";
        switch (config.Fail)
        {
            case "io": throw new FileNotFoundException("no such file.");
            case "argument": throw new ArgumentException("x is wrong.", nameof(config));
            case "ours": throw new InvalidOperationException("a sentence.");
            case "bug": throw new KeyNotFoundException("a bug\nin two lines");
            case "cancel": throw new OperationCanceledException();
            default: terminal.Say($"{config.Steps} steps"); return config;
        }
    }
}
