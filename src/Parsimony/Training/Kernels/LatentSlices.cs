namespace Parsimony.Training.Kernels;

/// <summary>The latents in a fixed number of slices, whatever the number of threads: for work between encoder and decoder.</summary>
internal static class LatentSlices
{
    /// <summary>Number of tasks.</summary>
    public const int Count = 16;

    /// <summary>First latent, and behind the last.</summary>
    public static (int First, int End) Of(int slice, int dSae) => ((int)((long)dSae * slice / Count), (int)((long)dSae * (slice + 1) / Count));
}
