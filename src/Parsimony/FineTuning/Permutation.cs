namespace Parsimony.FineTuning;

/// <summary>What a random permutation is for; uses of one seed do not share numbers.</summary>
internal enum RandomUse
{
    HoldOut = 1,
    ExampleOrder = 2,
    Labels = 3,
}

/// <summary>
/// Random permutations as pure functions of seed, use and index (epoch or step): a resumed run needs no generator's state,
/// only its position. Numbers by SplitMix64 (Steele, Lea and Flood 2014).
/// </summary>
internal static class Permutation
{
    public static int[] Draw(int count, long seed, RandomUse use, long index)
    {
        ulong state = Mix(Mix((ulong)seed + 0x9E3779B97F4A7C15UL * (ulong)use) + (ulong)index);
        int[] order = [.. Enumerable.Range(0, count)];
        for (int i = count - 1; i > 0; i--)
        {
            state += 0x9E3779B97F4A7C15UL;
            int j = (int)Math.BigMul(Mix(state), (ulong)i + 1, out _);     // uniform in 0..i up to 2^-64 i
            (order[i], order[j]) = (order[j], order[i]);
        }
        return order;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
