using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Parsimony.Training.Kernels;

namespace Parsimony.Bench;

/// <summary>What the machine can do at best, measured beside the steps and with as many threads: multiply-adds out of registers, and one pass over parameters and
/// moments.</summary>
internal sealed unsafe class MachineLimits : IDisposable
{
    private const int Chunk = 1 << 16;
    private readonly ThreadTeam team;
    private readonly NativeArray<float>[] streams; // parameter, mean, mean square
    private readonly long perMatrix;

    /// <param name="team">Threads to use.</param>
    /// <param name="dModel">Width of the activations.</param>
    /// <param name="dSae">Number of latents.</param>
    public MachineLimits(ThreadTeam team, int dModel, int dSae)
    {
        this.team = team;
        perMatrix = (long)dModel * dSae;
        streams = [.. Enumerable.Range(0, 3).Select(_ => new NativeArray<float>(2 * perMatrix).Cleared())];
    }

    /// <summary>Floating-point operations per second, a multiply-add counted as two.</summary>
    public double MeasureFlops()
    {
        const int Rounds = 100_000;
        int tasks = 4 * team.Size, runs = 0;
        var clock = Stopwatch.StartNew();
        for (; clock.Elapsed.TotalMilliseconds < 10; runs++)
        {
            if (Vector512.IsHardwareAccelerated) team.Run(tasks, (_, _) => MultiplyAdds<Lanes512>(Rounds));
            else if (Vector256.IsHardwareAccelerated) team.Run(tasks, (_, _) => MultiplyAdds<Lanes256>(Rounds));
            else team.Run(tasks, (_, _) => MultiplyAdds<Lanes128>(Rounds));
        }
        int lanes = Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4;
        return 2.0 * runs * tasks * Rounds * 12 * lanes / clock.Elapsed.TotalSeconds;
    }

    /// <summary>Seconds that reading and writing both weight matrices and their moments once takes.</summary>
    public double MeasurePass()
    {
        long length = 2 * perMatrix;
        int tasks = (int)((length + Chunk - 1) / Chunk);
        var clock = Stopwatch.StartNew();
        team.Run(tasks, (_, task) =>
        {
            long from = (long)task * Chunk;
            int count = (int)Math.Min(Chunk, length - from) & ~15;
            Touch(streams[0].Pointer + from, streams[1].Pointer + from, streams[2].Pointer + from, count);
        });
        return clock.Elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        foreach (var stream in streams) stream.Dispose();
    }

    // Twelve independent chains, as the encoder's kernel has.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float MultiplyAdds<V>(int rounds)
        where V : struct, ILanes<V>
    {
        V a = V.Broadcast(0.999f), b = V.Broadcast(1e-3f), c0 = b, c1 = b, c2 = b, c3 = b, c4 = b, c5 = b, c6 = b, c7 = b, c8 = b, c9 = b, c10 = b, c11 = b;
        for (int i = 0; i < rounds; i++)
        {
            (c0, c1, c2, c3) = (V.MultiplyAdd(c0, a, b), V.MultiplyAdd(c1, a, b), V.MultiplyAdd(c2, a, b), V.MultiplyAdd(c3, a, b));
            (c4, c5, c6, c7) = (V.MultiplyAdd(c4, a, b), V.MultiplyAdd(c5, a, b), V.MultiplyAdd(c6, a, b), V.MultiplyAdd(c7, a, b));
            (c8, c9, c10, c11) = (V.MultiplyAdd(c8, a, b), V.MultiplyAdd(c9, a, b), V.MultiplyAdd(c10, a, b), V.MultiplyAdd(c11, a, b));
        }
        return V.Sum(V.Add(V.Add(V.Add(c0, c1), V.Add(c2, c3)), V.Add(V.Add(V.Add(c4, c5), V.Add(c6, c7)), V.Add(V.Add(c8, c9), V.Add(c10, c11)))));
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Touch(float* p, float* m, float* v, int count)
    {
        var half = Vector256.Create(0.5f);
        for (int i = 0; i < count; i += 8)
        {
            var mean = Vector256.Load(m + i) * half;
            var square = Vector256.Load(v + i) * half;
            mean.Store(m + i);
            square.Store(v + i);
            (Vector256.Load(p + i) - mean * square).Store(p + i);
        }
    }
}
