namespace Parsimony.Cli;

/// <summary>Progress in a log file or pipe: a plain line every few seconds, and one at the end.</summary>
internal sealed class LineDisplay(string what, TextWriter error, TimeProvider clock) : IProgressDisplay
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private long lastLine = clock.GetTimestamp();

    /// <inheritdoc/>
    public void Show(double fraction, string text)
    {
        if (clock.GetElapsedTime(lastLine) < Interval) return;
        lastLine = clock.GetTimestamp();
        error.WriteLine($"{what}  {Math.Floor(fraction * 100)}%  {text}");
    }

    /// <inheritdoc/>
    public void End(string text) => error.WriteLine($"{what}  {text}");
}
