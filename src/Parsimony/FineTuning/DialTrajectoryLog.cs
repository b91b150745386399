using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Parsimony.Files;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Writes a <see cref="DialTrajectory"/>, row by row; what was written before a run went on is kept up to where it goes on.</summary>
/// <param name="path">The file.</param>
/// <param name="mostRows">Rows at most, 2 or more.</param>
/// <param name="mostBytes">Bytes of rows at most; two rows there are in any case.</param>
internal sealed class DialTrajectoryLog(string path, int mostRows = 512, long mostBytes = 64L << 20)
{
    private DialTrajectory.Head? head;
    private int length;

    /// <summary>Adds a row, unless the file is too full to have one for this step.</summary>
    public void Append(long step, DialAdapter dials)
    {
        var mine = new DialTrajectory.Head(1, 1, [.. dials.Saes.Select(s => new DialTrajectory.HookWidth(s.At, s.Sae.DSae))]);
        if (head is null) ReadHead();
        if (head is null || !head.HasSameHooks(mine)) Begin(mine, []);
        if (step % head!.Stride != 0) return;
        var row = Row(step, dials);
        int rows;
        using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            rows = (int)((file.Length - length) / head.RowBytes);
            file.Position = length + (long)rows * head.RowBytes;    // over a row that was cut short
            file.Write(row);
            file.SetLength(file.Position);
        }
        if (rows + 1 >= Math.Clamp(mostBytes / head.RowBytes, 2, mostRows)) Thin();
    }

    /// <summary>Drops the rows after a step.</summary>
    public void TruncateTo(long step)
    {
        head = null;
        if (!File.Exists(path)) return;
        if (step > 0) ReadHead();
        if (head is null)
        {
            File.Delete(path);
            return;
        }
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        int kept = DialTrajectory.StepsOf(file.SafeFileHandle, head, length).TakeWhile(s => s <= step).Count();
        file.SetLength(length + (long)kept * head.RowBytes);
    }

    // Every other step that is kept goes until half of the rows are left.
    private void Thin()
    {
        byte[] all = File.ReadAllBytes(path);
        var rows = Enumerable.Range(0, (all.Length - length) / head!.RowBytes).Select(i => all.AsMemory(length + i * head.RowBytes, head.RowBytes)).ToList();
        long stride = head.Stride;
        int half = rows.Count / 2;
        while (rows.Count > half)
        {
            stride *= 2;
            rows = [.. rows.Where(row => BinaryPrimitives.ReadInt64LittleEndian(row.Span) % stride == 0)];
        }
        Begin(head with { Stride = stride }, rows);
    }

    private void Begin(DialTrajectory.Head begun, IReadOnlyList<Memory<byte>> rows)
    {
        byte[] bytes = begun.ToBytes();
        AtomicFile.Write(path, stream =>
        {
            stream.Write(bytes);
            foreach (var row in rows) stream.Write(row.Span);
        });
        (head, length) = (begun, bytes.Length);
    }

    // What is no trajectory is no reason to refuse a run: it is begun anew.
    private void ReadHead()
    {
        if (!File.Exists(path)) return;
        try
        {
            using var file = File.OpenHandle(path);
            (head, length) = DialTrajectory.Head.Read(file, path);
        }
        catch (InvalidDataException)
        {
            head = null;
        }
    }

    private static byte[] Row(long step, DialAdapter dials)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var numbers = dials.Dials.Select(d => d.Gamma.detach()).Concat(dials.Dials.Select(d => d.Shift().detach())).Select(t => t.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray());
        Half[] row = [.. numbers.SelectMany(n => n).Select(n => (Half)n)];
        byte[] stepBytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(stepBytes, step);
        return [.. stepBytes, .. MemoryMarshal.AsBytes(row.AsSpan())];
    }
}
