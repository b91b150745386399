using System.Runtime.InteropServices;
using Parsimony.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>Memory for the kernels: aligned to a cache line, outside the garbage collector, in huge pages where Linux has them. Pages that are never
/// touched cost nothing.</summary>
internal sealed unsafe class NativeArray<T> : IDisposable
    where T : unmanaged
{
    /// <param name="length">Elements, not cleared.</param>
    public NativeArray(long length)
    {
        Length = length;
        Pointer = (T*)NativeMemory.AlignedAlloc((nuint)Math.Max(1, length) * (nuint)sizeof(T), HugePages.Alignment(length * sizeof(T)));
        HugePages.Advise(Pointer, length * sizeof(T));
    }

    public long Length { get; }

    public T* Pointer { get; private set; }

    /// <summary>Sets all elements to zero.</summary>
    public NativeArray<T> Cleared()
    {
        NativeMemory.Clear(Pointer, (nuint)Length * (nuint)sizeof(T));
        return this;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }
}

/// <summary>Transparent huge pages, which Linux gives to those who ask: a step walks over gigabytes, and with pages of 4 KiB it pays for their addresses.</summary>
internal static unsafe partial class HugePages
{
    private const nint Size = 2 << 20;
    private const int UseHugePages = 14; // MADV_HUGEPAGE

    public static nuint Alignment(long bytes) => bytes >= Size ? (nuint)Size : 64;

    /// <summary>Asks for huge pages wherever whole ones fit between the two ends.</summary>
    public static void Advise(void* start, long bytes)
    {
        if (!OperatingSystem.IsLinux()) return;
        nint first = ((nint)start + Size - 1) & -Size, end = ((nint)start + (nint)bytes) & -Size;
        if (end > first) _ = madvise((void*)first, (nuint)(end - first), UseHugePages); // advice: where it is refused, small pages serve
    }

    /// <summary>Gives the system back what was freed, with glibc, which otherwise keeps it: for the moment between one large set of tensors and the next.</summary>
    public static void ReturnFreed()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = malloc_trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // another C library, which keeps less
        }
    }

    /// <summary>The first element of a contiguous float32 tensor on the CPU. Valid while the tensor lives.</summary>
    public static float* Pointer(this Tensor t)
    {
        if (t.dtype != ScalarType.Float32) throw new ArgumentException($"a kernel needs a Float32 tensor, not {t.dtype} [{string.Join(", ", t.shape)}].");
        return (float*)LibtorchAbi.Pointer(t);
    }

    [LibraryImport("libc")]
    private static partial int malloc_trim(nuint keep);

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
