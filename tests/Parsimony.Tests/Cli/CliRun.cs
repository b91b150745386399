using System.Text.Json;
using Parsimony.Cli;
using Xunit;

namespace Parsimony.Tests.Cli;

/// <summary>Command lines, run in this process.</summary>
internal static class CliRun
{
    /// <summary>Exit code, standard output and standard error.</summary>
    public static (int Code, string Output, string Error) Invoke(CancellationToken interrupted, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (App.Run(args, output, error, interrupted), output.ToString(), error.ToString());
    }

    /// <summary>What a command that must succeed prints, as JSON.</summary>
    public static JsonElement Json(params string[] args)
    {
        var (code, output, error) = Invoke(CancellationToken.None, args);
        Assert.True(code == 0, error);
        return JsonDocument.Parse(output).RootElement;
    }

    /// <summary>The sentence of a command that must fail, without a stack trace.</summary>
    /// <param name="code">The exit code; null: 1 or 2.</param>
    /// <param name="args">The command line.</param>
    public static string Fail(int? code, params string[] args)
    {
        var (actual, _, error) = Invoke(CancellationToken.None, args);
        Assert.True(actual == (code ?? actual) && actual is 1 or 2, $"exit code {actual}: {error}");
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        return error;
    }
}
