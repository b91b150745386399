using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Activations;

/// <summary>
/// Which contexts make which block, and in which order a block's rows are given out. All draws follow from the seed, the epoch and the
/// block alone, so that a position is all a checkpoint needs.
/// </summary>
internal sealed class ShuffleOrder
{
    private readonly int contexts, sequenceLength, contextsPerBlock;
    private readonly long seed;

    public ShuffleOrder(int contexts, int sequenceLength, ActivationBufferOptions options)
    {
        (this.contexts, this.sequenceLength, seed) = (contexts, sequenceLength, options.Seed);
        contextsPerBlock = ContextsPerBlock(contexts, sequenceLength, options);
    }

    /// <summary>Blocks of an epoch.</summary>
    public int Blocks => (contexts + contextsPerBlock - 1) / contextsPerBlock;

    /// <summary>Rows of a block.</summary>
    public long TokensIn(long block) => (long)ContextsIn(block) * sequenceLength;

    /// <summary>The contexts of a block, in the order in which their rows are held.</summary>
    public long[] ContextsOf(long epoch, long block)
    {
        using var scope = NewDisposeScope();
        // One block is kept across epochs, so it must not depend on the epoch in which it was first asked for.
        var order = Blocks == 1 ? arange(contexts) : Permutation(contexts, epoch, 0);
        return order.narrow(0, block * contextsPerBlock, ContextsIn(block)).data<long>().ToArray();
    }

    /// <summary>The order in which a block's rows are given out, <c>[block tokens]</c> int64.</summary>
    public Tensor RowsOf(long epoch, long block) => Permutation(TokensIn(block), epoch, block + 1);

    private int ContextsIn(long block) => (int)Math.Min(contextsPerBlock, contexts - block * contextsPerBlock);

    private Tensor Permutation(long n, long epoch, long draw)
    {
        ulong mixed = SplitMix64.Next(SplitMix64.Next(SplitMix64.Next(unchecked((ulong)seed)) + unchecked((ulong)epoch)) + unchecked((ulong)draw));
        using var generator = new Generator(mixed, CPU);
        return randperm(n, ScalarType.Int64, generator: generator);
    }

    /// <summary>As many contexts as the buffer holds; where possible a number that makes whole batches, so that no token is passed over.</summary>
    private static int ContextsPerBlock(int count, int sequenceLength, ActivationBufferOptions options)
    {
        long held = Math.Max(1, options.BufferTokens / sequenceLength);
        if (held >= count) return count;
        long whole = options.BatchTokens / (long)System.Numerics.BigInteger.GreatestCommonDivisor(options.BatchTokens, sequenceLength);
        held = held >= whole ? held / whole * whole : Math.Max(held, (options.BatchTokens + sequenceLength - 1) / sequenceLength);
        return (int)Math.Min(held, count);
    }
}
