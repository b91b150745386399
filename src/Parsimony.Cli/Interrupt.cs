using System.Runtime.InteropServices;

namespace Parsimony.Cli;

/// <summary>
/// Ctrl-C and SIGTERM: the first asks the running command to save its state and stop, the second ends the process at once.
/// </summary>
internal sealed partial class Interrupt : IDisposable
{
    private const string ShowCursor = "\u001b[?25h"; // a progress bar hides it
    private readonly CancellationTokenSource source = new();
    private readonly TextWriter error;
    private readonly PosixSignalRegistration[] registrations;

    private Interrupt(TextWriter error)
    {
        this.error = error;
        registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(s => PosixSignalRegistration.Create(s, OnSignal))];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token => source.Token;

    /// <summary>Takes over both signals until disposed.</summary>
    public static Interrupt Listen(TextWriter error) => new(error);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (source.IsCancellationRequested) EndNow();
        error.WriteLine($"{Environment.NewLine}Stopping after the current step. Once more ends at once, without saving.");
        source.Cancel();
    }

    private void EndNow()
    {
        if (!Console.IsErrorRedirected) error.Write(ShowCursor);
        error.Flush();
        if (OperatingSystem.IsWindows()) Environment.Exit(App.InterruptedCode);
        exit_now(App.InterruptedCode); // Environment.Exit would run libtorch's destructors under its working threads
    }

    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void exit_now(int code);
}
