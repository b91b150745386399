using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using Parsimony.Native;
using Parsimony.Tokens;

namespace Parsimony.Cli.Commands;

/// <summary><c>parsimony doctor</c>: what this machine has, and whether everything needed works.</summary>
internal static class DoctorCommand
{
    private sealed record Options;

    /// <summary>The command.</summary>
    public static Command Create() => CliCommand.Create<Options>(
        "doctor", "Shows what this machine has, and whether everything needed works.", (_, terminal) => Run(terminal),
        ["parsimony doctor", "parsimony doctor --json"], needsTorch: false);

    private static Dictionary<string, object?> Run(Terminal terminal)
    {
        var facts = new Dictionary<string, object?>
        {
            ["version"] = typeof(App).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion,
            ["os"] = RuntimeInformation.OSDescription,
            ["runtime"] = $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.RuntimeIdentifier}",
            ["cores"] = Environment.ProcessorCount,
            ["memory_gib"] = Gibibytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes),
            ["disk_free_gib"] = Gibibytes(new DriveInfo(Environment.CurrentDirectory).AvailableFreeSpace),
            ["bundled_model"] = ModelFolder.Bundled ?? "not found; give --model <folder> to the commands",
        };
        var faults = new List<string>();
        Check("unicode", faults, facts, () =>
        {
            Nfc.EnsureItWorks();
            facts["unicode"] = "NFC works";
        });
        Check("torch", faults, facts, () =>
        {
            TorchRuntime.EnsureLoaded();
            foreach (var (name, value) in TorchRuntime.Describe()) facts[name] = value;
        });
        facts["ok"] = faults.Count == 0;

        terminal.Facts(facts);
        foreach (string fault in faults) terminal.Error.WriteLine(fault);
        terminal.ExitCode = faults.Count == 0 ? App.DoneCode : App.FailedCode;
        return facts;
    }

    private static void Check(string name, List<string> faults, Dictionary<string, object?> facts, Action check)
    {
        try
        {
            check();
        }
        catch (Exception e) when (e is InvalidOperationException or PlatformNotSupportedException)
        {
            faults.Add(e.Message);
            facts[name] = "does not work: " + e.Message;
        }
    }

    private static double Gibibytes(long bytes) => Math.Round(bytes / (double)(1L << 30), 1);
}
