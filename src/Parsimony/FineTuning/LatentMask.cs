using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>Which latents' dials may move: <c>[d_sae]</c>, Bool, true for those that may. Masks are joined by <c>&amp;</c>.</summary>
public static class LatentMask
{
    /// <summary>Latents that fired often enough to be judged. Adam moves a parameter that had a single gradient, of any size, by up to
    /// 30 learning rates: a latent that fired once would look changed.</summary>
    /// <param name="firings">Tokens of the reference set on which each latent fired, <c>[d_sae]</c>, Int64.</param>
    /// <param name="least">The fewest that are enough, 0 or more.</param>
    public static Tensor Evidence(Tensor firings, long least)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(least);
        return firings.ge(least);
    }

    /// <summary>These and no others.</summary>
    /// <exception cref="ArgumentException">A latent is not one of the SAE's.</exception>
    public static Tensor Allow(int dSae, IEnumerable<int> latents) => Marked(dSae, latents, inside: true);

    /// <summary>All but these.</summary>
    /// <exception cref="ArgumentException">A latent is not one of the SAE's.</exception>
    public static Tensor Freeze(int dSae, IEnumerable<int> latents) => Marked(dSae, latents, inside: false);

    /// <summary>The latents that lists let move, <c>[d_sae]</c>, Bool; null when all may.</summary>
    internal static Tensor? MayMove(ISparseAutoencoder sae, IReadOnlyList<int>? allowed, IReadOnlyList<int>? frozen)
    {
        using var scope = NewDisposeScope();
        var masks = new List<Tensor>();
        if (allowed is not null) masks.Add(Allow(sae.DSae, allowed));
        if (frozen is not null) masks.Add(Freeze(sae.DSae, frozen));
        return masks.Count == 0 ? null : masks.Aggregate((a, b) => a & b).to(sae.WDec.device).MoveToOuterDisposeScope();
    }

    private static Tensor Marked(int dSae, IEnumerable<int> latents, bool inside)
    {
        var marks = new bool[dSae];
        Array.Fill(marks, !inside);
        foreach (int i in latents)
        {
            if (i < 0 || i >= dSae) throw new ArgumentException(
                $"latent {i} is not one of the SAE's; allowed are 0 to {dSae - 1}.", nameof(latents));
            marks[i] = inside;
        }
        return tensor(marks);
    }
}
