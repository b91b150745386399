using Parsimony.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Analysis;

/// <summary>A latent of one SAE and the one of another that it was paired with.</summary>
/// <param name="Latent">Index in the first.</param>
/// <param name="Partner">Index in the second.</param>
/// <param name="Cosine">Of their decoder rows.</param>
public sealed record LatentPair(int Latent, int Partner, double Cosine);

/// <summary>How alike the directions of two SAEs are, such as one trained on the plain model and one trained anew on the tuned one. Two SAEs that differ
/// by nothing but their seed do not match fully either: compare with such a pair.</summary>
public sealed record DecoderMatch
{
    private const int Candidates = 32;          // partners kept for each latent before they are paired off

    /// <summary>Mean over the first's latents of their largest cosine with any of the second's (mean max cosine similarity; Sharkey et al. 2022).</summary>
    public required double MeanMaxCosine { get; init; }

    /// <summary>The same from the second's side.</summary>
    public required double MeanMaxCosineBack { get; init; }

    /// <summary>Pairs, each latent in one of them, the most alike first: of all pairs left, always that of the largest cosine (greedy).</summary>
    public required IReadOnlyList<LatentPair> Pairs { get; init; }

    /// <summary>The cosine from which a pair counts as the same direction.</summary>
    public required double Threshold { get; init; }

    /// <summary>Latents of the first with no such partner.</summary>
    public required int Unmatched { get; init; }

    /// <summary>Matches two SAEs.</summary>
    /// <param name="first">One.</param>
    /// <param name="second">Another of the same output width.</param>
    /// <param name="threshold">From which cosine on a pair is the same direction. Default 0.7.</param>
    /// <param name="cancellation">Stops between two parts.</param>
    /// <exception cref="ArgumentException">The widths differ.</exception>
    public static DecoderMatch Of(ISparseAutoencoder first, ISparseAutoencoder second, double threshold = 0.7, CancellationToken cancellation = default)
    {
        if (first.DOut != second.DOut) throw new ArgumentException(
            $"the first SAE writes {first.DOut} numbers, the second {second.DOut}; only directions of one space can be compared.", nameof(second));
        using var noGradient = no_grad();
        using var outer = NewDisposeScope();
        var (a, b) = (DecoderCosines.Directions(first).cpu(), DecoderCosines.Directions(second).cpu());
        int keep = Math.Min(Candidates, second.DSae);
        var back = full(second.DSae, -1.0f);
        var pairs = new List<LatentPair>();
        double forward = 0;
        DecoderCosines.Each(a, b, 0, first.DSae, (from, cosines) =>
        {
            back.copy_(back.maximum(cosines.amax([0L])));
            var (values, indices) = cosines.topk(keep, 1);
            float[] cosine = values.contiguous().data<float>().ToArray();
            long[] partner = indices.contiguous().data<long>().ToArray();
            for (int i = 0; i < cosine.Length; i++)
            {
                pairs.Add(new LatentPair((int)from + i / keep, (int)partner[i], cosine[i]));
                if (i % keep == 0) forward += cosine[i];
            }
        }, cancellation: cancellation);
        var (taken, given) = (new bool[first.DSae], new bool[second.DSae]);
        var chosen = new List<LatentPair>();
        foreach (var pair in pairs.OrderByDescending(p => p.Cosine).ThenBy(p => p.Latent))
        {
            if (taken[pair.Latent] || given[pair.Partner]) continue;
            taken[pair.Latent] = given[pair.Partner] = true;
            chosen.Add(pair);
        }
        return new DecoderMatch
        {
            MeanMaxCosine = forward / first.DSae,
            MeanMaxCosineBack = back.mean().item<float>(),
            Pairs = chosen,
            Threshold = threshold,
            Unmatched = first.DSae - chosen.Count(p => p.Cosine >= threshold),
        };
    }
}
