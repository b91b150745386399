using System.Globalization;
using TorchSharp;

namespace Parsimony.Native;

/// <summary>What libtorch this process runs on, and whether it loaded at all.</summary>
public static class TorchRuntime
{
    /// <summary>One line on where libtorch came from and what was done to load it.</summary>
    public static string Status => TorchLoader.Status ?? "libtorch: not loaded yet";

    /// <summary>Finds and loads libtorch's libraries before TorchSharp asks for them. Idempotent; a fault is kept for <see cref="EnsureLoaded"/>.</summary>
    public static void Prepare() => TorchLoader.Load();

    /// <summary>Loads libtorch now, so that a fault is one clear sentence instead of a failed type initialiser later.</summary>
    /// <exception cref="InvalidOperationException">libtorch cannot be loaded; the message says what is missing and what to do.</exception>
    public static void EnsureLoaded()
    {
        if (TorchLoader.Failure is { } failure)
            throw new InvalidOperationException($"libtorch could not be loaded: {failure}");
        try
        {
            using var probe = torch.zeros(1);
        }
        catch (Exception e) when (e is TypeInitializationException or NotSupportedException or DllNotFoundException)
        {
            string reason = (e.InnerException ?? e).Message.Split('\n')[0];
            throw new InvalidOperationException(
                $"libtorch could not be loaded: {reason} Needed: x86-64 Linux with glibc 2.34 or newer, Windows x64 or macOS arm64. "
                + $"Set {TorchLoader.FolderVariable} to the folder of another libtorch 2.10 if you have one.", e);
        }
    }

    /// <summary>Sets how many threads libtorch uses for one operation.</summary>
    /// <param name="threads">Threads, 1 or more; 0 leaves libtorch's default (all cores).</param>
    public static void UseThreads(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        if (threads > 0) torch.set_num_threads(threads);
    }

    /// <summary>Facts for <c>parsimony doctor</c>: name and value, in order.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Describe() =>
    [
        new("torch", Status),
        new("torch_version", LibtorchAbi.Version),
        new("torch_threads", torch.get_num_threads().ToString(CultureInfo.InvariantCulture)),
        new("cuda", torch.cuda.is_available() ? $"{torch.cuda.device_count()} device(s)" : "not available"),
    ];
}
