using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Runs;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Api;

/// <summary>What the server and its runs are: <c>/healthz</c> and <c>/api/runs</c>.</summary>
internal static class ServerApi
{
    /// <summary>How the server is.</summary>
    /// <param name="Status">Always ok: who can answer is.</param>
    /// <param name="Run">The run that is explored.</param>
    /// <param name="Model">none, closed, or open.</param>
    /// <param name="Index">Whether there is an index of the run's SAE.</param>
    /// <param name="Waiting">Requests that wait for the model.</param>
    internal sealed record Health(string Status, string Run, string Model, bool Index, int Waiting);

    /// <summary>A run.</summary>
    internal sealed record Listed(string Name, bool IsExplored, bool IsRunning, DateTime Changed, string? Model, string? Hook);

    public static void Map(WebApplication app)
    {
        app.MapGet("/healthz", (Explored e) => new Health("ok", e.Run.Name, e.HasModel ? e.IsLoaded ? "open" : "closed" : "none", e.Index is not null, e.Queue.Count))
            .WithSummary("How the server is.");
        app.MapGet("/api/runs", (Explored e) => e.Catalog.All().Select(r => (Run: r, r.Report)).Select(r => new Listed(r.Run.Name, r.Run.Name == e.Run.Name, r.Run.IsRunning, r.Run.Changed, r.Report?.ModelName, r.Report?.Hook)))
            .WithSummary("The explored run and those beside it.");
        app.MapGet("/api/runs/{name}/report", (Explored e, string name) => Results.Text(Named(e, name).Report?.ToJson() ?? "{}", "application/json"))
            .WithSummary("A run's report.json.");
        app.MapGet("/api/runs/{name}/config", (Explored e, string name) => Named(e, name).Config)
            .WithSummary("The options of every command that worked in a run.");
        app.MapGet("/api/runs/{name}/curves/{log}", (Explored e, string name, string log) => RunCurves.Of(Named(e, name), log))
            .WithSummary("A log of a run (train, finetune, dpo, rlhf), thinned for a picture: each key a curve.");
    }

    private static RunView Named(Explored e, string name) => e.Catalog.Find(name) ?? throw new FileNotFoundException(
        $"there is no run '{name}' here; there are: {string.Join(", ", e.Catalog.All().Select(r => r.Name))}.");
}
