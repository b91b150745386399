namespace Parsimony.Exploration.Index;

/// <summary>
/// The bins of pre-activations: by distance from the latent's threshold, eight to a doubling, 64 on each side, the lowest of which reaches to the threshold itself. So they are narrow where dials
/// move the threshold, and go as far as the farthest value: the first bin's key is the smallest that lets it in.
/// </summary>
/// <remarks>A key is the upper bits of a float: sign, exponent and three bits of mantissa. When a value is beyond the last bin, all bins move up, and those that fall
/// below the first are added to it: the same as if they had lain there from the beginning, so the order of the values decides nothing.</remarks>
internal static unsafe class HistogramBins
{
    /// <summary>Bins above the threshold, and as many at or below it.</summary>
    public const int PerSide = 64;

    /// <summary>All bins, the lowest values first.</summary>
    public const int Count = 2 * PerSide;

    /// <summary>Bits of a float that are not of its key.</summary>
    public const int KeyShift = 20;

    /// <summary>Keys from this one on are of numbers beyond 2^127, infinite or none.</summary>
    public const int Unusable = 254 << 3;

    /// <summary>The key of a distance.</summary>
    public static int Key(float distance) => (BitConverter.SingleToInt32Bits(distance) & int.MaxValue) >> KeyShift;

    /// <summary>The bin of a distance; the key must not be beyond the last.</summary>
    public static int Bin(float distance, int firstKey)
    {
        int i = Math.Max(0, Key(distance) - firstKey);
        return distance > 0 ? PerSide + i : PerSide - 1 - i;
    }

    /// <summary>The lower end of the i-th bin on a side, as a distance from the threshold; of the one behind the last, the upper end of the last.</summary>
    public static float Distance(int i, int firstKey) => i == 0 ? 0 : BitConverter.Int32BitsToSingle((firstKey + i) << KeyShift);

    /// <summary>Moves a latent's bins up so that a key is within them.</summary>
    /// <param name="counts">Its counts, <see cref="Count"/> of them.</param>
    /// <param name="firstKey">Its first bin's key; changed.</param>
    /// <param name="key">What must be let in.</param>
    public static void Grow(uint* counts, ref int firstKey, int key)
    {
        int by = key - (PerSide - 1) - firstKey;
        firstKey += by;
        uint* above = counts + PerSide, below = counts + PerSide - 1;
        for (int i = 1; i < PerSide; i++)
        {
            int to = Math.Max(0, i - by);
            (uint up, uint down) = (above[i], below[-i]);
            (above[i], below[-i]) = (0, 0);
            above[to] += up;
            below[-to] += down;
        }
    }
}
