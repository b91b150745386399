using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Parsimony.Training.Kernels;

/// <summary>Asks for memory that will be needed soon. On x86; elsewhere the processor must guess.</summary>
internal static unsafe class Prefetch
{
    private const int Line = 16; // floats of a cache line

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToFirstLevel(float* from, int floats)
    {
        if (!Sse.IsSupported) return;
        for (int k = 0; k < floats; k += Line) Sse.Prefetch0(from + k);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToSecondLevel(float* from, int floats)
    {
        if (!Sse.IsSupported) return;
        for (int k = 0; k < floats; k += Line) Sse.Prefetch1(from + k);
    }
}
