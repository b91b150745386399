using Parsimony.Models;

namespace Parsimony.Evaluation;

/// <summary>
/// What a sweep over all layers costs, in passes of one layer over the text: with every insertion going on from what lies below it, and with each a whole pass
/// of its own. The embedding, the unembedding and the SAE itself are not counted; both ways pay them for each insertion.
/// </summary>
public sealed record LayerSweepCost
{
    /// <summary>Insertions into each layer: the reconstruction, and zeros.</summary>
    public const int Variants = 2;

    /// <summary>Layer passes of <see cref="LayerSweep"/>: the plain model once, and above each insertion the rest.</summary>
    public required double LayerPasses { get; init; }

    /// <summary>Layer passes of as many whole passes as there are insertions.</summary>
    public required double LayerPassesWithoutReuse { get; init; }

    /// <summary>The first over the second; about a half.</summary>
    public required double Ratio { get; init; }

    /// <summary>The cost for a model of so many layers. Of a layer that an insertion stands in, its attention, whole up to its output, the way into its MLP and the way out count a third each.</summary>
    /// <param name="nLayers">Layers, 1 or more.</param>
    /// <param name="site">Where in each layer the insertion stands.</param>
    public static LayerSweepCost Of(int nLayers, HookSite site)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nLayers, 1);
        double rest = site switch
        {
            HookSite.ResidPre or HookSite.AttnIn or HookSite.AttnQkv or HookSite.AttnZ => 1,
            HookSite.AttnOut or HookSite.MlpIn => 2 / 3.0,
            HookSite.MlpPre or HookSite.MlpPost => 1 / 3.0,
            _ => 0,
        };
        double n = nLayers, plain = n - rest, above = n * rest + n * (n - 1) / 2, whole = Variants * n * n;
        return new LayerSweepCost { LayerPasses = plain + Variants * above, LayerPassesWithoutReuse = whole, Ratio = (plain + Variants * above) / whole };
    }
}
