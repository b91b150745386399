using System.Diagnostics;
using System.Globalization;

namespace Parsimony.Bench;

/// <summary>How much of the machine others used meanwhile: a benchmark on a shared machine has to say so. Linux; NaN elsewhere.</summary>
internal sealed class ForeignLoad
{
    private const double TicksPerSecond = 100; // USER_HZ, the unit of /proc/stat
    private readonly (double Busy, double All, double Own) start = Read();

    /// <summary>Share of all cores' time since birth that other processes, or other machines on the same host, took.</summary>
    public double Share()
    {
        var now = Read();
        return now.All > start.All ? Math.Max(0, (now.Busy - start.Busy - (now.Own - start.Own)) / (now.All - start.All)) : double.NaN;
    }

    private static (double Busy, double All, double Own) Read()
    {
        if (!OperatingSystem.IsLinux()) return (double.NaN, double.NaN, double.NaN);
        double[] ticks = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(n => double.Parse(n, CultureInfo.InvariantCulture) / TicksPerSecond)];
        using var self = Process.GetCurrentProcess();
        return (ticks.Sum() - ticks[3] - ticks[4], ticks.Sum(), self.TotalProcessorTime.TotalSeconds); // without idle and waiting for disks
    }
}

/// <summary>Memory of this process that is really there, from /proc. Linux; null elsewhere.</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes now.</summary>
    public static long? Now() => Read("VmRSS:");

    /// <summary>The most bytes there ever were.</summary>
    public static long? Peak() => Read("VmHWM:");

    private static long? Read(string key) => OperatingSystem.IsLinux()
        ? 1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith(key, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture)
        : null;
}
