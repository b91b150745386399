namespace Parsimony.Exploration.Index;

/// <summary>Sorts latents by a number. Number and index go into one integer whose order is theirs: a hundred thousand of them are sorted without a comparer.</summary>
internal static class LatentOrder
{
    /// <summary>Latents in the order of their values; of equal ones the lower index first, those without a value last.</summary>
    /// <param name="latents">Indices; changed.</param>
    /// <param name="value">The value of a latent; NaN: it has none.</param>
    /// <param name="descending">Whether the largest come first.</param>
    public static int[] Sort(int[] latents, Func<int, float> value, bool descending)
    {
        var keys = new ulong[latents.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            float v = value(latents[i]);
            uint place = float.IsNaN(v) ? uint.MaxValue : Place((descending ? -v : v) + 0f); // -0 becomes 0
            keys[i] = ((ulong)place << 32) | (uint)latents[i];
        }
        Array.Sort(keys);
        for (int i = 0; i < keys.Length; i++) latents[i] = (int)(uint)keys[i];
        return latents;
    }

    // The bits of a float as an integer that is ordered as the floats are.
    private static uint Place(float v) => BitConverter.SingleToUInt32Bits(v) is var bits && (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
}
