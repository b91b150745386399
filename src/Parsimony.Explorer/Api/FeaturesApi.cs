using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Parsimony.Exploration;
using Parsimony.Explorer.Features;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Api;

/// <summary>The list of features, and each of them.</summary>
internal static class FeaturesApi
{
    private const int Most = 1000;

    /// <summary>A part of the list.</summary>
    /// <param name="Total">Latents that the query finds.</param>
    /// <param name="Skip">How many lie before the first one here.</param>
    /// <param name="Features">Some of them, in order.</param>
    internal sealed record Page(int Total, int Skip, IReadOnlyList<FeatureRow> Features);

    public static void Map(WebApplication app)
    {
        app.MapGet("/api/features", (FeatureList list, string? query, string? sort, string? descending, [FromQuery(Name = "min_density")] string? least, [FromQuery(Name = "max_density")] string? most,
            string? moved, string? alive, string? adapter, int? skip, int? take) =>
        {
            var asked = FeatureQuery.Parse(name => name switch
            {
                "query" => query,
                "sort" => sort,
                "descending" => descending,
                "min_density" => least,
                "max_density" => most,
                "moved" => moved,
                "alive" => alive,
                "adapter" => adapter,
                _ => null,
            });
            (int from, int count) = (skip ?? 0, take ?? 100);
            if (from < 0 || count is < 0 or > Most) throw new ArgumentException($"skip is {from} and take {count}; skip must be 0 or more, take 0 to {Most}.");
            var latents = list.Latents(asked);
            return new Page(latents.Count, from, list.Rows([.. latents.Skip(from).Take(count)], asked.Adapter));
        }).WithSummary("The features that a query lists, in its order; query takes tok:, out:, label: and #123, sort latent, density, max, mean, effect or moved (by an adapter).");
        app.MapGet("/api/features/{latent:int}", (Explored e, FeatureList list, int latent, double? scale, double? shift, int? contexts) =>
        {
            var (index, tokenizer) = list.Opened();
            return ShownFeature.Of(index, latent, tokenizer, scale, shift, Math.Max(0, contexts ?? int.MaxValue), e.Labels?.Get(e.Existing(latent)));
        }).WithSummary("All that the index knows of a feature, as 'parsimony show feature --json' prints it.");
        app.MapGet("/api/features/{latent:int}/prediction", (FeatureList list, int latent, double? scale, double? shift) => DialPrediction.Of(list.Opened().Index.Histogram(latent), scale ?? 1, shift ?? 0))
            .WithSummary("Density, mean and threshold of a feature under dials c (scale) and d (shift), from its histogram.");
    }
}
