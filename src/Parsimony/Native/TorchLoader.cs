using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Parsimony.Native;

/// <summary>
/// Makes TorchSharp's native half loadable before TorchSharp is touched (docs/native.md).
/// </summary>
/// <remarks>
/// TorchSharp 0.107 asks libstdc++ for the version GLIBCXX_3.4.32 (GCC 13) without using any symbol of it. Where the system's
/// libstdc++ is older, a copy of libLibTorchSharp.so *in memory* gets that need marked weak. No file is changed.
/// </remarks>
internal static partial class TorchLoader
{
    /// <summary>Environment variable: a folder with another libtorch, such as the <c>lib</c> of a PyTorch install.</summary>
    public const string FolderVariable = "PARSIMONY_TORCH_LIB";

    /// <summary>Environment variable: set to 1 to try a libtorch of another version than 2.10.</summary>
    public const string AnyVersionVariable = "PARSIMONY_TORCH_ANY_VERSION";

    private const string StatusKey = "Parsimony.TorchLoader.Status", FailureKey = "Parsimony.TorchLoader.Failure";
    private const string Bridge = "libLibTorchSharp.so";
    private static readonly string[] Libtorch =
        ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    /// <summary>One line on how the native half was loaded; null before <see cref="Load"/>.</summary>
    public static string? Status => AppContext.GetData(StatusKey) as string;

    /// <summary>Why it could not be loaded, in words for a user; null when all is well.</summary>
    public static string? Failure => AppContext.GetData(FailureKey) as string;

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "must run before the static constructor of TorchSharp.torch")]
    internal static void Load()
    {
        if (Status is not null) return;
        AppContext.SetData(StatusKey, "libtorch: loaded by TorchSharp itself");
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
        try
        {
            TuneAllocatorAndThreads();
            AppContext.SetData(StatusKey, LoadLinux());
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or IOException or TorchLoadException)
        {
            AppContext.SetData(FailureKey, e.Message);
        }
    }

    private static string LoadLinux()
    {
        string bridge = Find(Bridge) ?? throw new TorchLoadException(
            $"{Bridge} of TorchSharp was not found beside the program ({AppContext.BaseDirectory}). Restore and build again.");
        string? chosen = Environment.GetEnvironmentVariable(FolderVariable);
        string folder = chosen ?? Path.GetDirectoryName(Find("libtorch_cpu.so")) ?? throw new TorchLoadException(
            $"libtorch_cpu.so was not found beside the program ({AppContext.BaseDirectory}). Build again, or set {FolderVariable} "
            + "to the folder of a libtorch 2.10, such as site-packages/torch/lib.");
        if (!File.Exists(Path.Combine(folder, "libtorch_cpu.so"))) throw new TorchLoadException(
            $"{FolderVariable} is '{folder}', which holds no libtorch_cpu.so. Name the lib folder of a libtorch 2.10 or of PyTorch 2.10.");

        foreach (string name in Libtorch)
            if (File.Exists(Path.Combine(folder, name)))
                NativeLibrary.Load(Path.Combine(folder, name)); // what needs them later is answered by SONAME
        if (chosen is not null) RefuseOtherVersion(folder);

        string where = chosen is null ? "libtorch: bundled" : $"libtorch: {folder} ({FolderVariable})";
        Action<string> demand = path =>
        {
            if (chosen is not null) DemandAllSymbols(path, folder);
        };
        demand(bridge);
        if (NativeLibrary.TryLoad(bridge, out _)) return where;

        byte[] image = File.ReadAllBytes(bridge);
        int weakened = ElfVersionNeeds.Weaken(image, "libstdc++.so.6", "GLIBCXX_3.4.31", "GLIBCXX_3.4.32");
        if (weakened == 0) NativeLibrary.Load(bridge); // another fault: let the loader name it
        LoadFromMemory(image, demand);
        return where + $"; the system's libstdc++ is older than GCC 13, so {weakened} unused version need of {Bridge} was made weak "
            + "in a private copy in memory";
    }

    private static void LoadFromMemory(byte[] image, Action<string> demand)
    {
        int file = memfd_create(Bridge, 1 /* MFD_CLOEXEC */);
        if (file >= 0)
        {
            using var handle = new SafeFileHandle(file, ownsHandle: true);
            RandomAccess.Write(handle, image, 0);
            string path = $"/proc/self/fd/{file}";
            demand(path);
            if (NativeLibrary.TryLoad(path, out _)) return;
        }
        // memfd is forbidden here: a folder only this user can enter, gone again once the file is mapped.
        string folder = Directory.CreateTempSubdirectory("parsimony-").FullName;
        try
        {
            string copy = Path.Combine(folder, Bridge);
            File.WriteAllBytes(copy, image);
            demand(copy);
            NativeLibrary.Load(copy);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static unsafe void RefuseOtherVersion(string folder)
    {
        nint library = NativeLibrary.Load(Path.Combine(folder, "libtorch_cpu.so"));
        string found = "older than 2.9";
        if (NativeLibrary.TryGetExport(library, "aoti_torch_abi_version", out nint function))
        {
            found = LibtorchAbi.VersionText(((delegate* unmanaged<ulong>)function)());
        }
        if (found == "2.10" || Environment.GetEnvironmentVariable(AnyVersionVariable) == "1") return;
        throw new TorchLoadException($"libtorch in '{folder}' ({FolderVariable}) is {found}; TorchSharp 0.107 binds to C++ symbols of 2.10. "
            + $"Name a libtorch 2.10, or set {AnyVersionVariable}=1 to try this one.");
    }

    /// <summary>.NET binds lazily: a symbol that another libtorch lacks would end the process at its first use. Binds all at once, which only the first to load a library can.</summary>
    private static unsafe void DemandAllSymbols(string bridge, string folder)
    {
        nint program = NativeLibrary.GetMainProgramHandle();
        if (!NativeLibrary.TryGetExport(program, "dlopen", out nint open) || !NativeLibrary.TryGetExport(program, "dlerror", out nint error))
            return;
        fixed (byte* path = Encoding.UTF8.GetBytes(bridge + "\0"))
        {
            if (((delegate* unmanaged<byte*, int, nint>)open)(path, 2 /* RTLD_NOW */) != 0) return;
            byte* text = ((delegate* unmanaged<byte*>)error)();
            string message = Marshal.PtrToStringUTF8((nint)text) ?? "";
            if (message.Contains("undefined symbol", StringComparison.Ordinal))
                throw new TorchLoadException($"libtorch in '{folder}' lacks what TorchSharp 0.107 needs: {message}. Name a libtorch 2.10.");
        }
    }

    /// <summary>
    /// glibc gives every block of 32 MiB and more back to the kernel, so each large tensor pays page faults (6 to 8 times
    /// slower); idle OpenMP workers spin, which ruins shared machines. Both must be set before the first load.
    /// </summary>
    private static void TuneAllocatorAndThreads()
    {
        _ = mallopt(-3 /* M_MMAP_THRESHOLD */, 1 << 30);
        _ = mallopt(-1 /* M_TRIM_THRESHOLD */, int.MaxValue);
        _ = setenv("GOMP_SPINCOUNT", "10000", 0);
    }

    private static string? Find(string file) =>
        ((AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string) ?? "").Split(Path.PathSeparator)
        .Append(AppContext.BaseDirectory)
        .Append(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"))
        .Where(d => d.Length > 0)
        .Select(d => Path.Combine(d, file))
        .FirstOrDefault(File.Exists);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);

    private sealed class TorchLoadException(string message) : Exception(message);
}
