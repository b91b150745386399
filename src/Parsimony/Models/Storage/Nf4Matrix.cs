using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Models.Storage;

/// <summary>
/// A matrix in four bits a number (NF4: Dettmers et al. 2023, QLoRA, section 3 and appendix E). Row after row it is cut into blocks of 64; each number is
/// divided by its block's largest magnitude and becomes the nearest of sixteen values, which are quantiles of the normal distribution.
/// </summary>
/// <param name="outputs">Rows.</param>
/// <param name="inputs">Columns.</param>
/// <param name="codes"><c>[blocks * 32]</c>, uint8: the first of two numbers in the high half; owned.</param>
/// <param name="scales">The blocks' largest magnitudes; owned.</param>
internal sealed class Nf4Matrix(long outputs, long inputs, Tensor codes, Nf4Scales scales) : IStoredMatrix
{
    /// <summary>Numbers of a block.</summary>
    public const int Block = 64;

    /// <summary>The sixteen values, by code.</summary>
    internal static readonly float[] Values =
    [
        -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
    ];

    /// <summary>Quantises a float32 matrix <c>[out, in]</c>, which stays the caller's.</summary>
    /// <param name="weight">The matrix.</param>
    /// <param name="doubleQuantised">Whether the blocks' scales are quantised, too.</param>
    public static Nf4Matrix Quantised(Tensor weight, bool doubleQuantised)
    {
        using var scope = NewDisposeScope();
        var flat = weight.cpu().contiguous().view(-1);
        long blocks = Blocks(flat.size(0));
        Tensor codes = empty(blocks * Block / 2, ScalarType.Byte), absmax = empty(blocks, ScalarType.Float32);
        Nf4Kernel.Encode(flat, codes, absmax);
        (codes, absmax) = (codes.to(weight.device), absmax.to(weight.device));
        var scales = doubleQuantised ? Nf4Scales.Quantised(absmax) : new Nf4Scales(absmax.DetachFromDisposeScope());
        return new Nf4Matrix(weight.size(0), weight.size(1), codes.DetachFromDisposeScope(), scales);
    }

    /// <summary>Bytes of a matrix of so many numbers.</summary>
    public static long BytesOf(long numbers, bool doubleQuantised) => Blocks(numbers) * Block / 2 + Nf4Scales.BytesOf(Blocks(numbers), doubleQuantised);

    /// <summary>Blocks of so many numbers; the last may not be full.</summary>
    public static long Blocks(long numbers) => (numbers + Block - 1) / Block;

    /// <summary>Two numbers a byte.</summary>
    public Tensor Codes => codes;

    /// <summary>The blocks' largest magnitudes.</summary>
    public Nf4Scales Scales => scales;

    public long Outputs => outputs;

    public long Inputs => inputs;

    public long Bytes => codes.numel() + scales.Bytes;

    public Tensor Rows(long first, long count)
    {
        using var scope = NewDisposeScope();
        long start = first * inputs, end = start + count * inputs, firstBlock = start / Block, blocks = Blocks(end) - firstBlock;
        var numbers = empty(blocks * Block, ScalarType.Float32, codes.device);
        if (codes.device_type == DeviceType.CPU) Nf4Kernel.Decode(codes, scales.Of(firstBlock, blocks), firstBlock, numbers);
        else
        {
            var values = tensor(Values, device: codes.device);
            var part = codes.narrow(0, firstBlock * Block / 2, blocks * Block / 2).to(ScalarType.Int32);
            var both = stack([part.div(16, RoundingMode.floor), part.remainder(16)], 1).view(-1);
            numbers.copy_((values.index_select(0, both).view(-1, Block) * scales.Of(firstBlock, blocks).unsqueeze(1)).view(-1));
        }
        return numbers.narrow(0, start - firstBlock * Block, end - start).view(count, inputs).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        codes.Dispose();
        scales.Dispose();
    }
}
