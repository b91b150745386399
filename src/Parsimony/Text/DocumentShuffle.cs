namespace Parsimony.Text;

/// <summary>The order of documents that are held together: a pure function of the seed and of where the block stands in its text.</summary>
internal static class DocumentShuffle
{
    /// <summary>Fisher and Yates's shuffle, drawn by SplitMix64 (Steele, Lea and Flood 2014).</summary>
    public static void Apply<T>(List<T> documents, long seed, long firstDocument)
    {
        ulong state = unchecked(Mix((ulong)seed) + (ulong)firstDocument);
        for (int i = documents.Count - 1; i > 0; i--)
        {
            state = unchecked(state + 0x9E3779B97F4A7C15);
            int j = (int)((UInt128)Mix(state) * (ulong)(i + 1) >> 64);
            (documents[i], documents[j]) = (documents[j], documents[i]);
        }
    }

    private static ulong Mix(ulong z)
    {
        unchecked
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
