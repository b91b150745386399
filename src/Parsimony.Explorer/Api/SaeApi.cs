using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Features;

namespace Parsimony.Explorer.Api;

/// <summary>What the SAE is and how good it is.</summary>
internal static class SaeApi
{
    public static void Map(WebApplication app) => app.MapGet("/api/sae", (Explored e) => SaeFacts.Of(e)).WithSummary("What the SAE is, how good it is in the model, and how its latents lie.");
}
