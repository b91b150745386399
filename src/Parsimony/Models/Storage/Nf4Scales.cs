using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// The largest magnitude of each block of an NF4 matrix: float32, or doubly quantised (QLoRA, section 3): their mean is taken off, and what is left is stored
/// as <c>round(127 s / absmax)</c> by the largest magnitude of each 256 of them.
/// </summary>
/// <param name="scales"><c>[blocks]</c>: float32; doubly quantised int8; owned.</param>
/// <param name="absmax"><c>[blocks / 256]</c>, float32, owned; null where they are not quantised.</param>
/// <param name="mean"><c>[]</c>, float32, owned; null where they are not quantised.</param>
internal sealed class Nf4Scales(Tensor scales, Tensor? absmax = null, Tensor? mean = null) : IDisposable
{
    /// <summary>Scales that share one of their own.</summary>
    public const int Block = 256;

    private const float Largest = 127;

    /// <summary>Quantises scales <c>[blocks]</c>, which stay the caller's.</summary>
    public static Nf4Scales Quantised(Tensor scales)
    {
        using var scope = NewDisposeScope();
        long blocks = scales.size(0), padded = (blocks + Block - 1) / Block * Block;
        var mean = scales.mean();
        var centred = cat([scales - mean, zeros(padded - blocks, ScalarType.Float32, scales.device)]).view(-1, Block);
        var absmax = centred.abs().amax([1]);
        var steps = absmax / Largest;
        var divisor = steps.where(steps > 0, ones_like(steps)).unsqueeze(1);
        var codes = (centred / divisor).round().clamp(-Largest, Largest).to(ScalarType.Int8).view(-1).narrow(0, 0, blocks).clone();
        return new Nf4Scales(codes.DetachFromDisposeScope(), absmax.DetachFromDisposeScope(), mean.DetachFromDisposeScope());
    }

    /// <summary>Bytes of the scales of so many blocks.</summary>
    public static long BytesOf(long blocks, bool doubleQuantised) =>
        doubleQuantised ? blocks + (blocks + Block - 1) / Block * sizeof(float) + sizeof(float) : blocks * sizeof(float);

    /// <summary>As they are kept: float32, or int8.</summary>
    public Tensor Kept => scales;

    /// <summary>The largest magnitude of each 256 scales about their mean; null where they are not quantised.</summary>
    public Tensor? Absmax => absmax;

    /// <summary>What was taken off; null where they are not quantised.</summary>
    public Tensor? Mean => mean;

    /// <summary>Bytes they take in memory.</summary>
    public long Bytes => scales.numel() * scales.ElementSize + ((absmax?.numel() ?? 0) + (mean?.numel() ?? 0)) * sizeof(float);

    /// <summary>Some of them as float32, <c>[count]</c>.</summary>
    public Tensor Of(long first, long count)
    {
        using var scope = NewDisposeScope();
        var kept = scales.narrow(0, first, count);
        if (absmax is null) return kept.MoveToOuterDisposeScope();
        long from = first / Block, until = (first + count + Block - 1) / Block;
        var steps = (absmax.narrow(0, from, until - from) / Largest).repeat_interleave(Block).narrow(0, first - from * Block, count);
        return (kept.to(ScalarType.Float32) * steps + mean!).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        scales.Dispose();
        absmax?.Dispose();
        mean?.Dispose();
    }
}
