namespace Parsimony.Activations;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014): turns neighbouring numbers, such as seeds, epochs and steps, into unrelated ones. With it a
/// draw is a pure function of where a run stands, and a checkpoint needs no generator's state.
/// </summary>
internal static class SplitMix64
{
    /// <summary>The distance of two states of one stream.</summary>
    public const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>The number a state gives.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The number the next state gives.</summary>
    public static ulong Next(ulong z) => Mix(z + Gamma);
}
