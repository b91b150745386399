using Parsimony.Exploration;
using Parsimony.Exploration.Index;
using Parsimony.Exploration.Labels;

namespace Parsimony.Explorer.Model;

/// <summary>Which latents a list of labels shows.</summary>
internal static class LabelList
{
    /// <summary>Latents in the order they are shown.</summary>
    /// <param name="index">The latents.</param>
    /// <param name="labels">Their labels; null: none yet.</param>
    /// <param name="show"><c>hand, starred, automatic, unlabelled</c>, or anything else for all that fire.</param>
    /// <param name="text">Text that must be in a label or note; null or empty: any.</param>
    public static int[] Of(FeatureIndex index, LabelStore? labels, string show, string? text)
    {
        if (!string.IsNullOrWhiteSpace(text)) return labels is null ? [] : [.. labels.Find(text.Trim(), index.DSae).Select(hit => hit.Latent).Distinct()];
        if (show == "starred") return [.. labels?.Starred() ?? []];
        var automatic = labels is null ? new HashSet<int>() : Enum.GetValues<LabelMethod>().SelectMany(m => labels.Tried(m)).ToHashSet();
        int[] strong = LatentChoice.Strongest(index);
        if (show is not ("hand" or "automatic" or "unlabelled")) return strong;
        var byHand = labels is null ? [] : labels.Get(strong).Where(l => l.Hand is not null).Select(l => l.Latent).ToHashSet();
        return [.. strong.Where(i => show == "hand" ? byHand.Contains(i) : show == "automatic" ? automatic.Contains(i) : !byHand.Contains(i) && !automatic.Contains(i))];
    }
}
