using Spectre.Console;
using Cell = Spectre.Console.Text;

namespace Parsimony.Cli;

/// <summary>What a command writes to, and how it hears that it should stop.</summary>
internal sealed class Terminal(TextWriter output, TextWriter error, bool json, CancellationToken interrupted)
{
    private const int WidthWhenRedirected = 160;

    /// <summary>Results. Commands use <see cref="Say"/> and <see cref="Table"/>, which keep it clean under --json.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>Progress and error sentences.</summary>
    public TextWriter Error { get; } = error;

    /// <summary>Whether the result is printed as JSON.</summary>
    public bool Json { get; } = json;

    /// <summary>Cancelled by Ctrl-C; a stage that sees it saves its state and throws <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Interrupted { get; } = interrupted;

    /// <summary>What to say after "Interrupted.", such as where the state was saved; null when there is none.</summary>
    public string? WhenInterrupted { get; set; }

    /// <summary>The exit code of a command that ends without an exception; 1 when its result is bad news.</summary>
    public int ExitCode { get; set; }

    /// <summary>Whether what is said may have colours: on a terminal, unless NO_COLOR is set.</summary>
    public bool HasColours => ReferenceEquals(Output, Console.Out) && !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));

    /// <summary>One line for people; nothing under --json.</summary>
    public void Say(string line)
    {
        if (!Json) Output.WriteLine(line);
    }

    /// <summary>What people should know beside the result, a line each on standard error.</summary>
    public void Note(IEnumerable<string> lines)
    {
        foreach (string line in lines) Error.WriteLine(line);
    }

    /// <summary>A piece of a line for people, shown at once; nothing under --json.</summary>
    public void SayPart(string text)
    {
        if (Json) return;
        Output.Write(text);
        Output.Flush();
    }

    /// <summary>Names and values, one a line; nothing under --json.</summary>
    public void Facts(IEnumerable<KeyValuePair<string, object?>> facts)
    {
        if (Json) return;
        var list = facts.ToList();
        int width = list.Max(f => f.Key.Length);
        foreach (var (name, value) in list) Output.WriteLine($"{name.PadRight(width)}  {value ?? "-"}");
    }

    /// <summary>A table for people; nothing under --json.</summary>
    /// <param name="columns">Headings; one that ends in '#' is a column of numbers, set to the right.</param>
    /// <param name="rows">Cells, in the order of the headings.</param>
    public void Table(string[] columns, IEnumerable<string[]> rows)
    {
        if (Json) return;
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Output) });
        if (!ReferenceEquals(Output, Console.Out) || Console.IsOutputRedirected) console.Profile.Width = WidthWhenRedirected;
        var table = new Table { Border = TableBorder.Simple };
        foreach (string heading in columns)
        {
            var column = new TableColumn(new Cell(heading.TrimEnd('#'))) { NoWrap = true };
            table.AddColumn(heading.EndsWith('#') ? column.RightAligned() : column);
        }
        foreach (string[] row in rows) table.AddRow(row.Select(cell => new Cell(cell)));
        console.Write(table);
    }

    /// <summary>Starts a progress display on standard error: a bar on a terminal, a plain line every few seconds elsewhere.</summary>
    /// <param name="what">What is being done, in a word or two.</param>
    /// <param name="total">When it is done, in <paramref name="unit"/>.</param>
    /// <param name="unit">What is counted, in the plural: tokens, contexts, steps.</param>
    /// <param name="already">Units done by an earlier run that this one resumes.</param>
    public Progress Progress(string what, long total, string unit, long already = 0)
    {
        bool bar = ReferenceEquals(Error, Console.Error) && !Console.IsErrorRedirected;
        IProgressDisplay display = bar ? new BarDisplay(what) : new LineDisplay(what, Error, TimeProvider.System);
        return new Progress(display, total, unit, TimeProvider.System, already);
    }
}
