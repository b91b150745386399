using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Exploration.Labels;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer.Api;

/// <summary>What latents are called: <c>/api/labels</c>.</summary>
internal static class LabelApi
{
    /// <summary>What to change; null stays as it is, an empty text takes it away.</summary>
    internal sealed record Change(string? Label = null, string? Note = null, bool? Star = null);

    public static void Map(WebApplication app)
    {
        app.MapGet("/api/labels", (Explored e, string? show, string? q, int? skip, int? take) =>
        {
            if (skip is < 0 || take is < 0 or > 1000) throw new ArgumentException($"skip is {skip ?? 0} and take {take ?? 50}; skip must be 0 or more, take 0 to 1000.");
            int[] shown = [.. LabelList.Of(e.IndexOrFault(), e.Labels, show ?? "", q).Skip(skip ?? 0).Take(take ?? 50)];
            return e.Labels?.Get(shown) ?? [.. shown.Select(i => new LatentLabels { Latent = i })];
        }).WithSummary("Latents with their labels: show=hand, starred, automatic, unlabelled or all; q= text in them.");
        app.MapGet("/api/labels/{latent}", (Explored e, int latent) => e.Labels?.Get(e.Existing(latent)) ?? new LatentLabels { Latent = e.Existing(latent) })
            .WithSummary("All that is said of a latent, with the scores of automatic labels and their baselines.");
        app.MapPut("/api/labels/{latent}", (Explored e, int latent, Change change) => e.LabelsToWrite().Set(e.Existing(latent), change.Label, change.Note, change.Star))
            .WithSummary("Changes a latent's label, note or star.");
    }
}
