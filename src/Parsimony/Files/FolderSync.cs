using System.Runtime.InteropServices;

namespace Parsimony.Files;

/// <summary>Makes a rename outlive a power cut: on Unix a name is safe only once its folder, too, was written to the disk.</summary>
internal static partial class FolderSync
{
    private const int ReadOnly = 0;

    /// <summary>Waits until the folder's names are on the disk. On Windows, and where a file system does not offer it, nothing happens.</summary>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows()) return; // NTFS journals names
        int descriptor = open(folder, ReadOnly);
        if (descriptor < 0) return;
        _ = fsync(descriptor);
        _ = close(descriptor);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);
}
