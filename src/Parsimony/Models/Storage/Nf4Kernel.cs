using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parsimony.Native;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>NF4 codes to float32: a byte looks up both its numbers at once, and a block is multiplied by its scale while it is in registers or first-level cache.</summary>
internal static unsafe class Nf4Kernel
{
    private const int CodesOfBlock = Nf4Matrix.Block / 2;
    private const long Grain = 1024; // blocks: 64 Ki numbers, some ten microseconds

    // The two values of a byte, the high half's first, as the eight bytes that they are in memory.
    private static readonly ulong* Pairs = MakePairs();

    /// <summary>Decodes whole blocks, the last one past its matrix's end included.</summary>
    /// <param name="codes">Of the whole matrix, uint8.</param>
    /// <param name="scales">Of these blocks, <c>[blocks]</c>, float32, contiguous.</param>
    /// <param name="firstBlock">The first of them.</param>
    /// <param name="to"><c>[blocks * 64]</c>, float32, written.</param>
    public static void Decode(Tensor codes, Tensor scales, long firstBlock, Tensor to)
    {
        var job = new Job((byte*)LibtorchAbi.Pointer(codes) + firstBlock * CodesOfBlock, (float*)LibtorchAbi.Pointer(scales), (float*)LibtorchAbi.Pointer(to));
        LibtorchAbi.Parallel(scales.size(0), Grain, &Range, &job);
        GC.KeepAlive(codes);
        GC.KeepAlive(scales);
        GC.KeepAlive(to);
    }

    private readonly struct Job(byte* codes, float* scales, float* to)
    {
        public readonly byte* Codes = codes;
        public readonly float* Scales = scales, To = to;
    }

    [UnmanagedCallersOnly]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Range(long first, long end, void* context)
    {
        var job = (Job*)context;
        byte* code = job->Codes + first * CodesOfBlock;
        float* to = job->To + first * Nf4Matrix.Block;
        for (long block = first; block < end; block++, to += Nf4Matrix.Block)
        {
            var pair = (ulong*)to;
            for (int i = 0; i < CodesOfBlock; i++) pair[i] = Pairs[*code++];
            var scale = new Vector<float>(job->Scales[block]);
            for (int i = 0; i < Nf4Matrix.Block; i += Vector<float>.Count) Vector.Store(Vector.Load(to + i) * scale, to + i);
        }
    }

    private static ulong* MakePairs()
    {
        var pairs = (float*)NativeMemory.AlignedAlloc(512 * sizeof(float), 64); // for as long as the process lives
        for (int code = 0; code < 256; code++) (pairs[2 * code], pairs[2 * code + 1]) = (Nf4Matrix.Values[code >> 4], Nf4Matrix.Values[code & 15]);
        return (ulong*)pairs;
    }
}
