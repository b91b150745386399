using Spectre.Console;
using Spectre.Console.Rendering;
using Cell = Spectre.Console.Text;

namespace Parsimony.Cli;

/// <summary>Progress on a terminal: a bar, drawn by a thread of its own so that the work never waits for it.</summary>
internal sealed class BarDisplay : IProgressDisplay
{
    private readonly TaskCompletionSource ended = new();
    private readonly Task drawing;
    private readonly ProgressTask bar;
    private volatile string text = "";

    /// <summary>Starts drawing.</summary>
    public BarDisplay(string what)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        var ready = new TaskCompletionSource<ProgressTask>();
        drawing = Task.Factory.StartNew(
            () => new Spectre.Console.Progress(console, TimeProvider.System)
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = 24 }, new PercentageColumn(), new Figures(this))
                .Start(context =>
                {
                    ready.SetResult(context.AddTask(Markup.Escape(what), autoStart: true, maxValue: 1));
                    ended.Task.Wait();
                }),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        bar = ready.Task.GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    public void Show(double fraction, string text) => (bar.Value, this.text) = (fraction, text);

    /// <inheritdoc/>
    public void End(string text)
    {
        this.text = text;
        bar.StopTask();
        ended.SetResult();
        drawing.GetAwaiter().GetResult();
    }

    private sealed class Figures(BarDisplay display) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Cell(display.text).Ellipsis();
    }
}
