using System.Runtime.InteropServices;

namespace Parsimony.Native;

/// <summary>What is said to the system about pages of a mapped file. Advice only: what they hold does not change, and where nobody listens nothing happens.</summary>
internal static unsafe partial class MappedPages
{
    private const int SoonNeeded = 3, NotNeeded = 4; // MADV_WILLNEED, MADV_DONTNEED
    private static readonly nint PageSize = Environment.SystemPageSize;

    /// <summary>They will be read soon: the system begins to fetch them, and nobody waits for it.</summary>
    public static void Fetch(void* first, long bytes) => Advise(first, bytes, SoonNeeded);

    /// <summary>They no longer count as this process's memory; the next read brings them back.</summary>
    public static void Release(void* first, long bytes) => Advise(first, bytes, NotNeeded);

    private static void Advise(void* first, long bytes, int advice)
    {
        if (!OperatingSystem.IsLinux() || bytes == 0) return;
        nint start = (nint)first & -PageSize, end = ((nint)first + (nint)bytes + PageSize - 1) & -PageSize;
        _ = madvise((void*)start, (nuint)(end - start), advice);
    }

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
