using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parsimony.Native;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// Float32 to NF4 codes and back, block by block on libtorch's threads. Back: a byte looks up both its numbers at once, and a block is multiplied by its scale while it is in the first-level cache.
/// </summary>
internal static unsafe class Nf4Kernel
{
    private const int CodesOfBlock = Nf4Matrix.Block / 2;
    private const long Grain = 1024; // blocks: 64 Ki numbers, some ten microseconds

    // The two values of a byte, the high half's first, as the eight bytes that they are in memory.
    private static readonly ulong* Pairs = MakePairs();

    // Between two neighbouring values: a number's code is how many of these it is above.
    private static readonly float[] Midpoints = [.. Enumerable.Range(0, 15).Select(i => (Nf4Matrix.Values[i] + Nf4Matrix.Values[i + 1]) / 2)];

    /// <summary>Decodes whole blocks, the last one past its matrix's end included.</summary>
    /// <param name="codes">Of the whole matrix, uint8.</param>
    /// <param name="scales">Of these blocks, <c>[blocks]</c>, float32, contiguous.</param>
    /// <param name="firstBlock">The first of them.</param>
    /// <param name="to"><c>[blocks * 64]</c>, float32, written.</param>
    public static void Decode(Tensor codes, Tensor scales, long firstBlock, Tensor to)
    {
        var job = new Job(0, (byte*)LibtorchAbi.Pointer(codes) + firstBlock * CodesOfBlock, (float*)LibtorchAbi.Pointer(scales), (float*)LibtorchAbi.Pointer(to));
        LibtorchAbi.Parallel(scales.size(0), Grain, &Decode, &job);
        GC.KeepAlive(codes);
        GC.KeepAlive(scales);
        GC.KeepAlive(to);
    }

    /// <summary>Encodes numbers; what is missing of the last block counts as 0.</summary>
    /// <param name="numbers"><c>[n]</c>, float32, contiguous.</param>
    /// <param name="codes"><c>[blocks * 32]</c>, uint8, written.</param>
    /// <param name="scales">The blocks' largest magnitudes, <c>[blocks]</c>, float32, written.</param>
    public static void Encode(Tensor numbers, Tensor codes, Tensor scales)
    {
        var job = new Job(numbers.size(0), (byte*)LibtorchAbi.Pointer(codes), (float*)LibtorchAbi.Pointer(scales), (float*)LibtorchAbi.Pointer(numbers));
        LibtorchAbi.Parallel(scales.size(0), Grain, &Encode, &job);
        GC.KeepAlive(numbers);
        GC.KeepAlive(codes);
        GC.KeepAlive(scales);
    }

    private readonly struct Job(long count, byte* codes, float* scales, float* numbers)
    {
        public readonly long Count = count;
        public readonly byte* Codes = codes;
        public readonly float* Scales = scales, Numbers = numbers;
    }

    [UnmanagedCallersOnly]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Decode(long first, long end, void* context)
    {
        var job = (Job*)context;
        byte* code = job->Codes + first * CodesOfBlock;
        float* to = job->Numbers + first * Nf4Matrix.Block;
        for (long block = first; block < end; block++, to += Nf4Matrix.Block)
        {
            var pair = (ulong*)to;
            for (int i = 0; i < CodesOfBlock; i++) pair[i] = Pairs[*code++];
            var scale = new Vector<float>(job->Scales[block]);
            for (int i = 0; i < Nf4Matrix.Block; i += Vector<float>.Count) Vector.Store(Vector.Load(to + i) * scale, to + i);
        }
    }

    [UnmanagedCallersOnly]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Encode(long first, long end, void* context)
    {
        var job = (Job*)context;
        int lanes = Vector<float>.Count;
        float* padded = stackalloc float[Nf4Matrix.Block];
        int* nearest = stackalloc int[Nf4Matrix.Block];
        for (long block = first; block < end; block++)
        {
            float* from = job->Numbers + block * Nf4Matrix.Block;
            long there = Math.Min(Nf4Matrix.Block, job->Count - block * Nf4Matrix.Block);
            if (there < Nf4Matrix.Block)
            {
                for (int i = 0; i < Nf4Matrix.Block; i++) padded[i] = i < there ? from[i] : 0;
                from = padded;
            }
            var most = Vector<float>.Zero;
            for (int i = 0; i < Nf4Matrix.Block; i += lanes) most = Vector.Max(most, Vector.Abs(Vector.Load(from + i)));
            float largest = 0;
            for (int i = 0; i < lanes; i++) largest = Math.Max(largest, most[i]);
            job->Scales[block] = largest;
            var divisor = new Vector<float>(largest > 0 ? largest : 1); // a block of zeros
            for (int i = 0; i < Nf4Matrix.Block; i += lanes)
            {
                var number = Vector.Load(from + i) / divisor;
                var above = Vector<int>.Zero;
                foreach (float midpoint in Midpoints) above -= Vector.GreaterThan(number, new Vector<float>(midpoint)); // true is -1
                Vector.Store(above, nearest + i);
            }
            byte* code = job->Codes + block * CodesOfBlock;
            for (int i = 0; i < CodesOfBlock; i++) code[i] = (byte)(nearest[2 * i] << 4 | nearest[2 * i + 1]);
        }
    }

    private static ulong* MakePairs()
    {
        var pairs = (float*)NativeMemory.AlignedAlloc(512 * sizeof(float), 64); // for as long as the process lives
        for (int code = 0; code < 256; code++) (pairs[2 * code], pairs[2 * code + 1]) = (Nf4Matrix.Values[code >> 4], Nf4Matrix.Values[code & 15]);
        return (ulong*)pairs;
    }
}
