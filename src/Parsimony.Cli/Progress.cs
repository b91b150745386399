namespace Parsimony.Cli;

/// <summary>How far a stage is, how fast it goes and when it will be done.</summary>
/// <param name="display">Where it is shown.</param>
/// <param name="total">When it is done.</param>
/// <param name="unit">What is counted.</param>
/// <param name="clock">The time.</param>
/// <param name="already">Units done by an earlier run, which the rate must not count.</param>
internal sealed class Progress(IProgressDisplay display, long total, string unit, TimeProvider clock, long already = 0) : IDisposable
{
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(20);
    private readonly Queue<(long Time, long Done)> recent = new();
    private readonly long start = clock.GetTimestamp();
    private long? last;
    private string lastNote = "";

    /// <summary>Shows how far it is.</summary>
    /// <param name="done">Units done so far, an earlier run's included.</param>
    /// <param name="note">Figures to show behind it, such as the loss.</param>
    public void Report(long done, string note = "")
    {
        long now = clock.GetTimestamp();
        if (recent.Count == 0) recent.Enqueue((start, already));
        recent.Enqueue((now, done));
        while (recent.Count > 2 && clock.GetElapsedTime(recent.Peek().Time, now) > RateWindow) recent.Dequeue();
        (last, lastNote) = (done, note);
        var (oldest, oldDone) = recent.Peek();
        double seconds = clock.GetElapsedTime(oldest, now).TotalSeconds, rate = seconds > 0 ? (done - oldDone) / seconds : 0;
        string eta = rate > 0 && done < total ? $"  ETA {Time((total - done) / rate)}" : "";
        display.Show(total > 0 ? Math.Min(1, (double)done / total) : 1,
            $"{Amount(done)}/{Amount(total)} {unit}  {Amount(rate)} {unit}/s{eta}  {note}".TrimEnd());
    }

    /// <summary>A reporter for a stage of the library; synchronous, as System.Progress reports from other threads and out of order.</summary>
    /// <param name="done">Units done, from the stage's own report.</param>
    /// <param name="note">Figures to show behind it.</param>
    public IProgress<T> From<T>(Func<T, long> done, Func<T, string>? note = null) =>
        new Reporter<T>(r => Report(done(r), note?.Invoke(r) ?? ""));

    /// <summary>Closes the display with a line on the whole.</summary>
    public void Dispose()
    {
        var elapsed = clock.GetElapsedTime(start);
        long done = last ?? already;
        double rate = elapsed.TotalSeconds > 0 ? (done - already) / elapsed.TotalSeconds : 0;
        display.End($"{Amount(done)}/{Amount(total)} {unit} in {Time(elapsed.TotalSeconds)}  {Amount(rate)} {unit}/s  {lastNote}".TrimEnd());
    }

    /// <summary>A count in three digits or so: 512, 13.1k, 1.05M.</summary>
    public static string Amount(double value) => value switch
    {
        >= 1e9 => $"{value / 1e9:0.00}G",
        >= 1e6 => $"{value / 1e6:0.00}M",
        >= 1e4 => $"{value / 1e3:0.0}k",
        >= 100 => $"{value:0}",
        _ => $"{value:0.##}",
    };

    /// <summary>A duration as mm:ss or h:mm:ss.</summary>
    public static string Time(double seconds)
    {
        var t = TimeSpan.FromSeconds(Math.Min(Math.Ceiling(seconds), 359_999));
        return t.TotalHours >= 1 ? $"{(int)t.TotalHours}:{t.Minutes:00}:{t.Seconds:00}" : $"{t.Minutes:00}:{t.Seconds:00}";
    }

    private sealed class Reporter<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}

/// <summary>Where progress is shown.</summary>
internal interface IProgressDisplay
{
    /// <summary>Shows a fraction, 0 to 1, and the figures beside it.</summary>
    void Show(double fraction, string text);

    /// <summary>Shows the last word and closes.</summary>
    void End(string text);
}
