using Parsimony.Exploration.Index;
using Parsimony.FineTuning;
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

    /// <summary>Reads an adapter.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="index">The index of the SAE.</param>
    /// <param name="analysis">The run's analysis; null: none.</param>
    /// <exception cref="InvalidDataException">It has no dials for this SAE.</exception>
    public static DialTable Load(string name, string folder, FeatureIndex index, DialAnalysis? analysis)
    {
        using var noGradient = TorchSharp.torch.no_grad();
        using var scope = TorchSharp.torch.NewDisposeScope();
        var (dials, metadata) = AdapterFolder.Load(folder);
        try
        {
            int place = Enumerable.Range(0, dials.Count).FirstOrDefault(i => dials[i].At == index.Header.Hook && dials[i].DSae == index.DSae, -1);
            if (place < 0 || (index.Header.SaeSha256 is { } sae && !sae.Equals(metadata.Hooks[place].SaeSha256, StringComparison.OrdinalIgnoreCase))) throw new InvalidDataException(
                $"the adapter '{name}' is of another SAE than the index: it has dials for {string.Join(", ", metadata.Hooks.Select(h => $"{h.At} ({h.DSae} latents)"))}.");
            float[] scale = dials[place].Scale().cpu().data<float>().ToArray(), shift = dials[place].Shift().cpu().data<float>().ToArray(), moved = new float[scale.Length];
            Parallel.For(0, moved.Length, i =>
            {
                if (scale[i] != 1 || shift[i] != 0) moved[i] = (float)index.Histogram(i).Moved(scale[i], shift[i]);
            });
            bool isAnalysed = analysis is not null && analysis.DSae == scale.Length && analysis.Features.All(f => Near(scale[f.Latent], f.Scale) && Near(shift[f.Latent], f.Shift));
            return new(name, scale, shift, moved, isAnalysed ? analysis : null);
        }
        finally
        {
            foreach (var d in dials) d.Dispose();
        }
    }

    private static bool Near(float mine, double its) => Math.Abs(mine - its) <= 1e-5 * Math.Max(1, Math.Abs(its));
}
