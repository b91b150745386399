using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Parsimony.Files;

namespace Parsimony.Training.Kernels;

/// <summary>Who multiplies on this machine: measured once per processor, number of threads and shape, and remembered in a file, so that a run and its
/// repetition are done alike.</summary>
internal static class EncoderChoice
{
    private const double Advantage = 1.1; // libtorch must be this much faster: on a tie a busy moment must not decide
    private const int Repetitions = 3;

    /// <summary>Where the choices are kept; null: nowhere. Tests set it.</summary>
    internal static string? MemoryPath { get; set; } = DefaultPath();

    /// <summary>The choice for one shape, from memory or by measuring.</summary>
    /// <param name="shape">Shape and threads, in words: what the choice is remembered by, beside the processor.</param>
    /// <param name="kernel">Does the product with our kernel.</param>
    /// <param name="libtorch">Does it with libtorch.</param>
    public static EncoderBy For(string shape, Action kernel, Action libtorch)
    {
        string key = $"{Processor()}, {shape}";
        var known = Recall();
        if (known.TryGetValue(key, out var choice)) return choice;
        var (ours, theirs) = (double.MaxValue, double.MaxValue);
        for (int i = 0; i <= Repetitions; i++) // in turns; the first round warms up
        {
            double a = Seconds(kernel), b = Seconds(libtorch);
            if (i > 0) (ours, theirs) = (Math.Min(ours, a), Math.Min(theirs, b));
        }
        known[key] = choice = theirs * Advantage < ours ? EncoderBy.Libtorch : EncoderBy.Kernel;
        Remember(known);
        return choice;
    }

    private static double Seconds(Action product)
    {
        var clock = Stopwatch.StartNew();
        product();
        return clock.Elapsed.TotalSeconds;
    }

    private static Dictionary<string, EncoderBy> Recall()
    {
        try
        {
            return MemoryPath is not null && File.Exists(MemoryPath) ? Json.Parse<Dictionary<string, EncoderBy>>(File.ReadAllText(MemoryPath), MemoryPath) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return []; // measuring again is all that a spoilt memory costs
        }
    }

    private static void Remember(Dictionary<string, EncoderBy> known)
    {
        if (MemoryPath is null) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(MemoryPath)!);
            AtomicFile.WriteText(MemoryPath, Json.Write(known));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // a machine without a place of its own measures each time
        }
    }

    private static string Processor()
    {
        const string Key = "model name";
        string? name = OperatingSystem.IsLinux() && File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal))?[Key.Length..].Trim(' ', '\t', ':')
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
#if DEBUG
        name += ", debug build"; // whose kernels are slow
#endif
        return $"{name ?? "processor"} ({RuntimeInformation.ProcessArchitecture}, {System.Numerics.Vector<float>.Count} lanes)";
    }

    private static string? DefaultPath() =>
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify) is { Length: > 0 } folder
            ? Path.Combine(folder, "parsimony", "encoder.json")
            : null;
}
