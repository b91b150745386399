using Parsimony.Exploration.Index;
using Parsimony.Explorer.Runs;
using Parsimony.FineTuning.Analysis;

namespace Parsimony.Explorer.Features;

/// <summary>The dials of an adapter on the explored SAE, and how far they move each latent.</summary>
/// <param name="Name">The adapter's name in the run.</param>
/// <param name="Scale">c, <c>[d_sae]</c>.</param>
/// <param name="Shift">d, <c>[d_sae]</c>.</param>
/// <param name="Moved">Mean |f' - f| on the index's text as the histograms tell it, <c>[d_sae]</c>, in units of the activation.</param>
/// <param name="Analysis">The run's analysis, where it is of this adapter; null: of another, or there is none.</param>
public sealed record DialTable(string Name, float[] Scale, float[] Shift, float[] Moved, DialAnalysis? Analysis)
{
    /// <summary>Whether the adapter counts as having moved a latent: by the run's analysis, or where there is none of it, because the latent's activation on the index's text changes at all.</summary>
    public bool HasMoved(int latent) => significant?.Contains(latent) ?? Moved[latent] > 0;

    private readonly HashSet<int>? significant = Analysis?.Significant.ToHashSet();

    /// <summary>What dials do to the latents of an index.</summary>
    /// <param name="dials">The adapter's.</param>
    /// <param name="index">The index of the SAE.</param>
    /// <param name="analysis">The run's analysis; null: none.</param>
    internal static DialTable Of(AdapterValues dials, FeatureIndex index, DialAnalysis? analysis)
    {
        var moved = new float[dials.Scale.Length];
        Parallel.ForEach(dials.Changed, i => moved[i] = (float)index.Histogram(i).Moved(dials.Scale[i], dials.Shift[i]));
        return new(dials.Name, dials.Scale, dials.Shift, moved, analysis is not null && dials.IsOf(analysis) ? analysis : null);
    }
}
