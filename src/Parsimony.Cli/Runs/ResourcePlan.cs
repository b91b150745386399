using Parsimony.Files;
using Parsimony.Native;

namespace Parsimony.Cli.Runs;

/// <summary>What a command will take: what --plan prints, and what is checked before anything begins.</summary>
internal sealed record ResourcePlan
{
    /// <summary>Bytes of memory by what takes them, about.</summary>
    public required IReadOnlyDictionary<string, long> Memory { get; init; }

    /// <summary>All of them together.</summary>
    public long MemoryBytes => Memory.Values.Sum();

    /// <summary>Bytes of memory that are free now.</summary>
    public long MemoryFree { get; init; } = MachineMemory.Available;

    /// <summary>Bytes on disk.</summary>
    public required long DiskBytes { get; init; }

    /// <summary>Bytes free there; null where the system does not say.</summary>
    public required long? DiskFree { get; init; }

    /// <summary>Tokens that will be worked on.</summary>
    public required long Tokens { get; init; }

    /// <summary>What is not on this machine and must be fetched first; most often nothing.</summary>
    public IReadOnlyList<Absence> Absent { get; init; } = [];

    /// <summary>Bytes free where it is fetched to; null where nothing is, or the system does not say.</summary>
    public long? DownloadFree { get; init; }

    /// <summary>Seconds of harvesting, or of reading a cache, from a short measurement; 0 when none was made.</summary>
    public double HarvestSeconds { get; init; }

    /// <summary>What that was measured on, for people; null when it was not.</summary>
    public string? HarvestMeasuredOn { get; init; }

    /// <summary>Seconds of training, from the first steps, which are the slowest; 0 when none was measured.</summary>
    public double TrainingSeconds { get; init; }

    /// <summary>What that was measured on, for people; null when it was not.</summary>
    public string? TrainingMeasuredOn { get; init; }

    /// <summary>Share of all cores' time that other processes took while times were measured, 0 to 1; null where that was not, or the system does not say.</summary>
    public double? ForeignLoad { get; init; }

    /// <summary>Seconds of both, one after the other: with harvest and training side by side it is less where cores are free.</summary>
    public double Seconds => HarvestSeconds + TrainingSeconds;

    /// <summary>Refuses to begin what the machine cannot hold.</summary>
    /// <param name="what">What would begin, such as "Training".</param>
    /// <param name="folder">Where it writes.</param>
    /// <exception cref="InvalidOperationException">Too little memory.</exception>
    /// <exception cref="IOException">Too little disk.</exception>
    public void Ensure(string what, string folder)
    {
        if (MemoryBytes > MemoryFree) throw new InvalidOperationException(
            $"{what} takes about {ByteSize.Text(MemoryBytes)} of memory ({string.Join(", ", Memory.Select(m => $"{m.Key} {ByteSize.Text(m.Value)}"))}), "
            + $"{ByteSize.Text(MemoryFree)} are free; nothing was begun. Use a smaller buffer, d_sae or model.");
        DiskSpace.Ensure(folder, DiskBytes, what, "Name a folder on another disk with --out.", DiskFree);
    }

    /// <summary>For people.</summary>
    /// <param name="terminal">Where to.</param>
    /// <param name="work">What <see cref="TrainingSeconds"/> are of.</param>
    /// <param name="isRefused">Whether the command refuses to begin what does not fit.</param>
    public void Print(Terminal terminal, string work = "training", bool isRefused = true)
    {
        terminal.Facts(
        [
            .. Absent.Select(a => KeyValuePair.Create(a.What, (object?)a.Sentence)),
            .. Memory.Select(m => KeyValuePair.Create($"memory, {m.Key}", (object?)ByteSize.Text(m.Value))),
            new("memory in all", $"about {ByteSize.Text(MemoryBytes)} of {ByteSize.Text(MemoryFree)} free"),
            new("disk", $"{ByteSize.Text(DiskBytes)}{(DiskFree is { } free ? $" of {ByteSize.Text(free)} free" : "")}"),
            new("tokens", Progress.Amount(Tokens)),
            .. Time("harvest", HarvestSeconds, HarvestMeasuredOn),
            .. Time(work, TrainingSeconds, TrainingMeasuredOn),
        ]);
        terminal.Say((HarvestMeasuredOn ?? TrainingMeasuredOn) is null ? "All of this is computed; no time was measured." : $"Times are measured on this machine as it is now{(ForeignLoad >= 0.05 ? $", when other processes take {ForeignLoad:0 %} of its cores" : "")}; all else is computed.");
        if (MemoryBytes > MemoryFree) terminal.Say($"This does not fit in memory{(isRefused ? "; it will be refused" : "")}.");
        if (DiskBytes > DiskFree) terminal.Say($"This does not fit on the disk{(isRefused ? "; it will be refused" : "")}.");
        if (Absent.Sum(a => a.Bytes) > DownloadFree) terminal.Say($"The download does not fit on its disk, where {ByteSize.Text(DownloadFree.Value)} are free; set HF_HOME to a folder on another.");
    }

    private static IEnumerable<KeyValuePair<string, object?>> Time(string what, double seconds, string? measuredOn) => measuredOn is null ? []
        : [new($"time, {what}", $"{Duration(seconds)}, from {measuredOn}")];

    private static string Duration(double seconds) => seconds < 2 * 86_400 ? Progress.Time(seconds) : $"{seconds / 86_400:0.0} days";
}
