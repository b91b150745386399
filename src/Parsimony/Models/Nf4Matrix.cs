using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models;

/// <summary>
/// A matrix in four bits a number (NF4: Dettmers et al. 2023, QLoRA, section 3 and appendix E). Row after row it is cut into blocks of 64; each number is
/// divided by its block's largest magnitude and becomes the nearest of sixteen values, which are quantiles of the normal distribution.
/// </summary>
/// <remarks>Doubly quantised, the blocks' scales are 8-bit numbers themselves: their mean is taken off, and what is left is stored as
/// <c>round(127 s / absmax)</c> by the largest magnitude of each 256 of them.</remarks>
internal sealed class Nf4Matrix : IStoredMatrix
{
    private const int Block = 64, ScaleBlock = 256;
    private const long AtATime = 1L << 22; // numbers quantised at once: the temporaries are eight times as large as what comes out

    /// <summary>The sixteen values, by code.</summary>
    internal static readonly float[] Values =
    [
        -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
    ];

    private readonly long outputs, inputs;
    private readonly Tensor codes; // [numbers / 2], uint8: the first of two numbers in the high half
    private readonly Tensor scales; // [blocks]: float32; doubly quantised int8
    private readonly Tensor? scaleSteps, scaleMean; // [blocks / 256], []
    private readonly Tensor pairs; // [256, 2]: the two values of a byte

    /// <summary>Quantises a matrix <c>[out, in]</c>, which stays the caller's.</summary>
    public Nf4Matrix(Tensor weight, bool doubleQuantised)
    {
        using var scope = NewDisposeScope();
        (outputs, inputs) = (weight.size(0), weight.size(1));
        var flat = weight.reshape(-1);
        long numbers = flat.size(0);
        codes = empty(Blocks(numbers) * Block / 2, ScalarType.Byte, weight.device).DetachFromDisposeScope();
        var absmax = empty(Blocks(numbers), ScalarType.Float32, weight.device);
        float[] between = [.. Enumerable.Range(0, 15).Select(i => (Values[i] + Values[i + 1]) / 2)];
        var midpoints = tensor(between).to(weight.device);
        for (long at = 0; at < numbers; at += AtATime)
        {
            using var step = NewDisposeScope();
            long count = Math.Min(AtATime, numbers - at), padded = Blocks(count) * Block;
            var part = flat.narrow(0, at, count);
            if (padded > count) part = cat([part, zeros(padded - count, ScalarType.Float32, weight.device)]);
            part = part.view(-1, Block);
            var largest = part.abs().amax([1]);
            var divisor = largest.where(largest > 0, ones_like(largest)).unsqueeze(1); // a block of zeros
            var nearest = bucketize(part / divisor, midpoints, true, false).view(-1, 2);
            codes.narrow(0, at / 2, padded / 2).copy_((nearest.select(1, 0) * 16 + nearest.select(1, 1)).to(ScalarType.Byte));
            absmax.narrow(0, at / Block, padded / Block).copy_(largest);
        }
        if (doubleQuantised) (scales, scaleSteps, scaleMean) = Quantised(absmax);
        else scales = absmax.DetachFromDisposeScope();
        float[] both = [.. from high in Values from low in Values from value in new[] { high, low } select value];
        pairs = tensor(both).view(256, 2).to(weight.device).DetachFromDisposeScope();
    }

    /// <summary>Bytes of a matrix of so many numbers; the table of the 256 pairs, the same for all, is not counted.</summary>
    public static long BytesOf(long numbers, bool doubleQuantised)
    {
        long blocks = Blocks(numbers);
        return blocks * Block / 2 + (doubleQuantised ? blocks + (blocks + ScaleBlock - 1) / ScaleBlock * sizeof(float) + sizeof(float) : blocks * sizeof(float));
    }

    public long Bytes => codes.numel() + scales.numel() * scales.ElementSize + ((scaleSteps?.numel() ?? 0) + (scaleMean?.numel() ?? 0)) * sizeof(float);

    public Tensor Dequantised()
    {
        using var scope = NewDisposeScope();
        var numbers = pairs.index_select(0, codes.to(ScalarType.Int32)).view(-1, Block).mul_(Scales().unsqueeze(1)).view(-1);
        return numbers.narrow(0, 0, outputs * inputs).view(outputs, inputs).MoveToOuterDisposeScope();
    }

    public Tensor Linear(Tensor x, Tensor? bias) => DequantisedProduct.Of(x, this, bias);

    /// <summary>The blocks' largest magnitudes as the storage gives them back, <c>[blocks]</c>.</summary>
    private Tensor Scales() => scaleSteps is null ? scales.alias()
        : scales.to(ScalarType.Float32) * scaleSteps.repeat_interleave(ScaleBlock).narrow(0, 0, scales.size(0)) + scaleMean!;

    private static (Tensor Codes, Tensor Steps, Tensor Mean) Quantised(Tensor absmax)
    {
        using var scope = NewDisposeScope();
        long blocks = absmax.size(0), padded = (blocks + ScaleBlock - 1) / ScaleBlock * ScaleBlock;
        var mean = absmax.mean();
        var centred = cat([absmax - mean, zeros(padded - blocks, ScalarType.Float32, absmax.device)]).view(-1, ScaleBlock);
        var steps = centred.abs().amax([1]) / 127;
        var divisor = steps.where(steps > 0, ones_like(steps)).unsqueeze(1);
        var quantised = (centred / divisor).round().clamp(-127, 127).to(ScalarType.Int8).view(-1).narrow(0, 0, blocks).clone();
        return (quantised.DetachFromDisposeScope(), steps.DetachFromDisposeScope(), mean.DetachFromDisposeScope());
    }

    private static long Blocks(long numbers) => (numbers + Block - 1) / Block;

    public void Dispose()
    {
        foreach (var part in (Tensor?[])[codes, scales, scaleSteps, scaleMean, pairs]) part?.Dispose();
    }
}
