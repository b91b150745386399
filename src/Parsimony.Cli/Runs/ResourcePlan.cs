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

    /// <summary>Seconds of harvesting, or of reading a cache, from a short measurement; 0 when none was made.</summary>
    public double HarvestSeconds { get; init; }

    /// <summary>Seconds of training, from the first steps, which are the slowest; 0 when none was measured.</summary>
    public double TrainingSeconds { get; init; }

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
    public void Print(Terminal terminal)
    {
        terminal.Facts(
        [
            .. Memory.Select(m => KeyValuePair.Create($"memory, {m.Key}", (object?)ByteSize.Text(m.Value))),
            new("memory in all", $"about {ByteSize.Text(MemoryBytes)} of {ByteSize.Text(MemoryFree)} free"),
            new("disk", $"{ByteSize.Text(DiskBytes)}{(DiskFree is { } free ? $" of {ByteSize.Text(free)} free" : "")}"),
            new("tokens", Progress.Amount(Tokens)),
            new("time, harvest", Progress.Time(HarvestSeconds)),
            .. TrainingSeconds > 0 ? [KeyValuePair.Create("time, training", (object?)Progress.Time(TrainingSeconds))] : Array.Empty<KeyValuePair<string, object?>>(),
        ]);
        if (MemoryBytes > MemoryFree) terminal.Say("This does not fit in memory; it will be refused.");
        if (DiskBytes > DiskFree) terminal.Say("This does not fit on the disk; it will be refused.");
    }
}
