using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>Matrices of the same input as one, their rows one after the other: queries, keys and values that a file keeps apart.</summary>
/// <param name="parts">One or more, of equally many columns; owned.</param>
internal sealed class JoinedMatrix(params IReadOnlyList<IStoredMatrix> parts) : IStoredMatrix
{
    /// <summary>The parts as one; float32 ones are put into one tensor, so that they are one product.</summary>
    public static IStoredMatrix Of(IReadOnlyList<IStoredMatrix> parts)
    {
        if (parts is [var one]) return one;
        if (!parts.All(p => p is Fp32Matrix)) return new JoinedMatrix(parts);
        var all = new Fp32Matrix(cat([.. parts.Select(p => ((Fp32Matrix)p).Weight)], 0).DetachFromDisposeScope());
        foreach (var part in parts) part.Dispose();
        return all;
    }

    public long Outputs => parts.Sum(p => p.Outputs);

    public long Inputs => parts[0].Inputs;

    public long Bytes => parts.Sum(p => p.Bytes);

    public void Decode(long first, Tensor to)
    {
        using var scope = NewDisposeScope();
        long done = 0, count = to.size(0);
        foreach (var part in parts)
        {
            long from = Math.Max(0, first), until = Math.Min(part.Outputs, first + count);
            if (from < until)
            {
                part.Decode(from, to.narrow(0, done, until - from));
                done += until - from;
            }
            first -= part.Outputs;
        }
    }

    public void Dispose()
    {
        foreach (var part in parts) part.Dispose();
    }
}
