using System.Globalization;

namespace Parsimony.Native;

/// <summary>How much memory this process may still take.</summary>
public static class MachineMemory
{
    private const string LinuxFile = "/proc/meminfo", LinuxLine = "MemAvailable:";

    /// <summary>Bytes that can be taken without swapping, within the container's limit where there is one.</summary>
    public static long Available
    {
        get
        {
            var gc = GC.GetGCMemoryInfo();
            long limit = gc.TotalAvailableMemoryBytes - Environment.WorkingSet; // of the container, else of the machine
            return Math.Max(0, Math.Min(limit, FromLinux() ?? gc.TotalAvailableMemoryBytes - gc.MemoryLoadBytes));
        }
    }

    private static long? FromLinux()
    {
        if (!File.Exists(LinuxFile)) return null;
        string? line = File.ReadLines(LinuxFile).FirstOrDefault(l => l.StartsWith(LinuxLine, StringComparison.Ordinal));
        return line?[LinuxLine.Length..].Trim().Split(' ') is [var kilobytes, ..] ? long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024 : null;
    }
}
