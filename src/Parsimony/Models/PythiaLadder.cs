namespace Parsimony.Models;

/// <summary>
/// The shapes of the Pythia models (Biderman et al. 2023, arXiv 2304.01373), by name: what is known of one that is not on this machine. The
/// <c>-deduped</c> ones, trained on deduplicated text, have the same shapes.
/// </summary>
public static class PythiaLadder
{
    /// <summary>What stands before the names on the hub.</summary>
    public const string Owner = "EleutherAI/";

    private const string Deduplicated = "-deduped";

    private static readonly (string Name, GptNeoXConfig Config)[] Rungs =
    [
        ("pythia-70m", Shape(6, 512, 8, 50304)),
        ("pythia-160m", Shape(12, 768, 12, 50304)),
        ("pythia-410m", Shape(24, 1024, 16, 50304)),
        ("pythia-1b", Shape(16, 2048, 8, 50304)),
        ("pythia-1.4b", Shape(24, 2048, 16, 50304)),
        ("pythia-2.8b", Shape(32, 2560, 32, 50304)),
        ("pythia-6.9b", Shape(32, 4096, 32, 50432)), // embeddings are padded to a multiple that grows with the number of devices trained on
        ("pythia-12b", Shape(36, 5120, 40, 50688)),
    ];

    /// <summary>The names, smallest model first.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Rungs.Select(r => r.Name)];

    /// <summary>The shape of a model.</summary>
    /// <param name="name">As in <see cref="Names"/>, with or without <c>EleutherAI/</c> before it and <c>-deduped</c> behind it.</param>
    /// <returns>The shape; null where the name is none of the ladder's.</returns>
    public static GptNeoXConfig? Find(string name)
    {
        if (name.StartsWith(Owner, StringComparison.OrdinalIgnoreCase)) name = name[Owner.Length..];
        if (name.EndsWith(Deduplicated, StringComparison.OrdinalIgnoreCase)) name = name[..^Deduplicated.Length];
        return Array.Find(Rungs, r => r.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Config;
    }

    private static GptNeoXConfig Shape(int layers, int width, int heads, int vocabulary) =>
        new() { NLayers = layers, DModel = width, DMlp = 4 * width, NHeads = heads, DVocab = vocabulary, MaxSequenceLength = 2048 };
}
