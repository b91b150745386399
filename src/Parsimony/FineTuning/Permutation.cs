using Parsimony.Activations;

namespace Parsimony.FineTuning;

/// <summary>What random numbers are for; uses of one seed do not share numbers.</summary>
internal enum RandomUse
{
    HoldOut = 1,
    ExampleOrder = 2,
    Labels = 3,
    Minibatches = 4,
    Sampling = 5,
    Rewards = 6,
    Measuring = 7,
    Birth = 8,
    Controls = 9,
    Neurons = 10,
    BestOfN = 11,
}

/// <summary>
/// Random permutations as pure functions of seed, use and index (epoch or step): a resumed run needs no generator's state,
/// only its position. Numbers by <see cref="SplitMix64"/>.
/// </summary>
internal static class Permutation
{
    public static int[] Draw(int count, long seed, RandomUse use, long index)
    {
        ulong state = Start(seed, use, index);
        int[] order = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; i > 0; i--)
        {
            state += SplitMix64.Gamma;
            int j = (int)Math.BigMul(SplitMix64.Mix(state), (ulong)i + 1, out _);     // uniform in 0..i up to 2^-64 i
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    /// <summary>A seed for a generator of its own.</summary>
    public static long Seed(long seed, RandomUse use, long index) => (long)Start(seed, use, index);

    private static ulong Start(long seed, RandomUse use, long index) =>
        SplitMix64.Mix(SplitMix64.Mix((ulong)seed + SplitMix64.Gamma * (ulong)use) + (ulong)index);
}
