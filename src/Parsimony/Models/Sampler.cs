using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>Draws the next token of each sequence from its logits.</summary>
internal sealed class Sampler(SamplingOptions options) : IDisposable
{
    private readonly Generator generator = new((ulong)options.Seed, CPU);

    /// <summary>Logits <c>[batch, d_vocab]</c> to one token id per row.</summary>
    public long[] Draw(Tensor logits)
    {
        using var scope = NewDisposeScope();
        if (options.Temperature == 0) return Ids(logits.argmax(-1));
        var scaled = logits / options.Temperature;
        if (options.TopK is { } k && k < scaled.size(-1)) scaled = KeepTopK(scaled, k);
        var probabilities = scaled.softmax(-1);
        if (options.TopP is { } p && p < 1) probabilities = KeepTopP(probabilities, p);
        return Inverted(probabilities.cpu().contiguous());
    }

    /// <summary>One uniform number a row, looked up in the row's running sum: of many rows libtorch's multinomial takes longer than a small model's whole pass.</summary>
    private long[] Inverted(Tensor probabilities)
    {
        var uniform = rand(probabilities.size(0), ScalarType.Float64, generator: generator).data<double>().ToArray();
        var all = MemoryMarshal.Cast<byte, float>(probabilities.bytes);
        int width = (int)probabilities.size(1);
        var ids = new long[uniform.Length];
        for (int row = 0; row < ids.Length; row++)
        {
            var p = all.Slice(row * width, width);
            double total = 0, reached = 0;
            foreach (float x in p) total += x;
            int id = 0, last = 0;
            for (double wanted = uniform[row] * total; id < width; id++)
            {
                if (p[id] > 0) last = id;
                if ((reached += p[id]) > wanted) break;
            }
            ids[row] = id < width ? id : last; // rounding may leave the sum a hair short of the total
        }
        return ids;
    }

    /// <summary>All but the k largest of each row become minus infinity; ties with the k-th stay.</summary>
    internal static Tensor KeepTopK(Tensor logits, int k)
    {
        var (values, _) = logits.topk(k);
        return logits.masked_fill(logits < values.narrow(-1, k - 1, 1), float.NegativeInfinity);
    }

    /// <summary>Keeps the most likely tokens until their sum reaches p, the one that crosses it included; the rest become 0.</summary>
    internal static Tensor KeepTopP(Tensor probabilities, double p)
    {
        var (sorted, order) = probabilities.sort(-1, descending: true);
        var before = sorted.cumsum(-1) - sorted;
        var kept = sorted.masked_fill(before >= p, 0);
        return zeros_like(probabilities).scatter_(-1, order, kept);
    }

    private static long[] Ids(Tensor ids)
    {
        var result = new long[ids.numel()];
        MemoryMarshal.Cast<byte, long>(ids.cpu().contiguous().bytes).CopyTo(result);
        return result;
    }

    public void Dispose() => generator.Dispose();
}
