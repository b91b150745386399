using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.Win32.SafeHandles;
using Parsimony.Files;
using Parsimony.Models;

namespace Parsimony.FineTuning;

/// <summary>
/// How dials went while they were learnt: <c>trajectory.bin</c> of a run, a row of c - 1 and d in half precision for each logged step. At most 512 rows and 64 MiB: when it is full,
/// every other row goes, and from there on every other step is kept. It may be read while it is written.
/// </summary>
public sealed class DialTrajectory : IDisposable
{
    /// <summary>The file's name in the folder of what was learnt.</summary>
    public const string FileName = "trajectory.bin";

    private readonly SafeFileHandle file;
    private readonly Head head;
    private readonly int length;

    private DialTrajectory(SafeFileHandle file, Head head, int length, IReadOnlyList<long> steps) => (this.file, this.head, this.length, Steps) = (file, head, length, steps);

    /// <summary>What a row holds, and which steps have one.</summary>
    /// <param name="Version">1.</param>
    /// <param name="Stride">Steps that are no multiple of it have no row.</param>
    /// <param name="Hooks">The hook points in the order of a row.</param>
    internal sealed record Head(int Version, long Stride, IReadOnlyList<HookWidth> Hooks)
    {
        public static ReadOnlySpan<byte> Magic => "PARSTRJ\n"u8;

        [JsonIgnore]
        public int Width => Hooks.Sum(h => h.DSae);

        [JsonIgnore]
        public int RowBytes => sizeof(long) + 2 * 2 * Width; // step; c - 1 and d, two bytes a number

        public byte[] ToBytes()
        {
            byte[] text = Encoding.UTF8.GetBytes(Json.WriteLine(this)), count = new byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(count, text.Length);
            return [.. Magic, .. count, .. text];
        }

        public bool HasSameHooks(Head other) => Hooks.SequenceEqual(other.Hooks);

        /// <summary>Reads it, and how long it is.</summary>
        /// <exception cref="InvalidDataException">It is none of this version.</exception>
        public static (Head Head, int Length) Read(SafeFileHandle file, string path)
        {
            byte[] start = new byte[Magic.Length + sizeof(int)];
            if (RandomAccess.Read(file, start, 0) < start.Length || !start.AsSpan(0, Magic.Length).SequenceEqual(Magic)) throw new InvalidDataException($"'{path}' is no trajectory of dials.");
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(Magic.Length));
            byte[] text = new byte[bytes is > 0 and < 1 << 20 ? bytes : 0];
            if (text.Length == 0 || RandomAccess.Read(file, text, start.Length) < bytes) throw new InvalidDataException($"'{path}' is cut off.");
            var head = Json.Parse<Head>(Encoding.UTF8.GetString(text), path);
            if (head.Version != 1 || head.Stride < 1 || head.Width < 1) throw new InvalidDataException($"'{path}' is of version {head.Version}; this program reads 1.");
            return (head, start.Length + bytes);
        }
    }

    /// <summary>A hook point and the latents of its SAE.</summary>
    internal sealed record HookWidth(HookPoint At, int DSae);

    /// <summary>The steps that have a row, ascending.</summary>
    public IReadOnlyList<long> Steps { get; }

    /// <summary>The hook points whose dials are in it, with their numbers of latents.</summary>
    public IReadOnlyDictionary<HookPoint, int> Hooks => head.Hooks.ToDictionary(h => h.At, h => h.DSae);

    /// <summary>Opens it; null where there is none.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of another version.</exception>
    public static DialTrajectory? Open(string path)
    {
        if (!File.Exists(path)) return null;
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            var (head, length) = Head.Read(file, path);
            return new DialTrajectory(file, head, length, StepsOf(file, head, length));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>c and d of one latent at each of <see cref="Steps"/>; c is off by 1 part in 2000 of c - 1 at most, d by as much of d.</summary>
    /// <param name="at">Its hook point.</param>
    /// <param name="latent">Its index.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such hook point or latent in it.</exception>
    public (double[] Scale, double[] Shift) Of(HookPoint at, int latent)
    {
        int before = 0;
        foreach (var hook in head.Hooks)
        {
            if (hook.At == at && latent >= 0 && latent < hook.DSae) return (Column(before + latent, 1), Column(head.Width + before + latent, 0));
            before += hook.DSae;
        }
        throw new ArgumentOutOfRangeException(nameof(latent), $"there is no latent {latent} at {at} in this trajectory; it has {string.Join(", ", head.Hooks.Select(h => $"{h.DSae} at {h.At}"))}.");
    }

    /// <summary>c and d of all latents of a hook point at one of <see cref="Steps"/>.</summary>
    /// <param name="at">The hook point.</param>
    /// <param name="row">Index of the step in <see cref="Steps"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such hook point or row in it.</exception>
    public (double[] Scale, double[] Shift) Row(HookPoint at, int row)
    {
        if (row < 0 || row >= Steps.Count) throw new ArgumentOutOfRangeException(nameof(row), $"there is no row {row}; there are {Steps.Count}.");
        int before = 0;
        foreach (var hook in head.Hooks)
        {
            if (hook.At == at) return (Read(before, hook.DSae, 1), Read(head.Width + before, hook.DSae, 0));
            before += hook.DSae;
        }
        throw new ArgumentOutOfRangeException(nameof(at), $"there are no dials at {at} in this trajectory; there are some at {string.Join(", ", head.Hooks.Select(h => h.At))}.");

        double[] Read(int from, int count, double plus)
        {
            var halves = new Half[count];
            RandomAccess.Read(file, MemoryMarshal.AsBytes(halves.AsSpan()), length + (long)row * head.RowBytes + sizeof(long) + 2L * from);
            return [.. halves.Select(h => plus + (double)h)];
        }
    }

    private double[] Column(int index, double plus)
    {
        var values = new double[Steps.Count];
        var half = new Half[1];
        for (int row = 0; row < values.Length; row++)
        {
            RandomAccess.Read(file, MemoryMarshal.AsBytes(half.AsSpan()), length + (long)row * head.RowBytes + sizeof(long) + 2L * index);
            values[row] = plus + (double)half[0];
        }
        return values;
    }

    /// <summary>The steps of all whole rows.</summary>
    internal static long[] StepsOf(SafeFileHandle file, Head head, int length)
    {
        var steps = new long[Math.Max(0, (RandomAccess.GetLength(file) - length) / head.RowBytes)];
        var step = new byte[sizeof(long)];
        for (int row = 0; row < steps.Length; row++)
        {
            RandomAccess.Read(file, step, length + (long)row * head.RowBytes);
            steps[row] = BinaryPrimitives.ReadInt64LittleEndian(step);
        }
        return steps;
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
