using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Steering;

namespace Parsimony.Explorer.Api;

/// <summary>Edits saved as adapters: <c>/api/adapters</c>.</summary>
internal static class SteerApi
{
    /// <summary>An adapter of the run.</summary>
    internal sealed record Listed(string Name, string Folder);

    /// <summary>Edits and the name to save them under, as in an address.</summary>
    internal sealed record Edited(string Name, string? Adapter = null, string? Weight = null, string? Off = null, string? Edit = null);

    public static void Map(WebApplication app)
    {
        app.MapGet("/api/adapters", (Explored e) => e.Run.Files.Adapters().Select(a => new Listed(a.Name, a.Folder)))
            .WithSummary("The adapters of the run: learned ones, and edits that were saved.");
        app.MapPost("/api/adapters", async (Explored e, Client client, Edited q, HttpContext context) =>
        {
            var edits = FeatureEdits.Parse(q.Adapter, q.Weight, q.Off, q.Edit, e.IndexOrFault().DSae);
            return new Listed(q.Name, await e.Ask(client.Name, bench => SteeredAdapter.Save(bench, e, edits, q.Name ?? ""), context.RequestAborted));
        }).WithSummary("Saves edits as an adapter of the run, in steer/NAME.");
    }
}
