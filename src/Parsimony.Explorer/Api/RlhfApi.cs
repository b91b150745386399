using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Runs;
using Parsimony.FineTuning.Analysis;
using Parsimony.FineTuning.Policy;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Api;

/// <summary>What was learned from rewards, step by step: <c>/api/rlhf</c>.</summary>
internal static class RlhfApi
{
    /// <summary>A learning from rewards.</summary>
    /// <param name="Summary">What it did; null before it is done.</param>
    /// <param name="Curves">Its log, thinned: each key a curve.</param>
    /// <param name="SampleSteps">Steps that have samples.</param>
    /// <param name="Samples">Those of the step that was asked for.</param>
    /// <param name="Trajectories">c and d of the latents moved most; null where none were kept.</param>
    /// <param name="Ledger">Of the analysis; null where there is none of these dials.</param>
    internal sealed record Learning(
        RlhfSummary? Summary, IReadOnlyDictionary<string, Curve> Curves, IReadOnlyList<long> SampleSteps, IReadOnlyList<PolicySample> Samples, Trajectories? Trajectories, Ledger? Ledger);

    public static void Map(WebApplication app) => app.MapGet("/api/rlhf", (Explored e, long? step, int? feature) =>
    {
        string samples = Path.Combine(e.Run.Files.Rlhf, "samples.jsonl");
        var steps = SampleLog.Steps(samples);
        bool hasAdapter = e.Run.Files.Adapters().Any(a => a.Name == "rlhf");
        return new Learning(e.Run.Report?.Rlhf, RunCurves.Of(e.Run, "rlhf"), steps, steps.Count == 0 ? [] : SampleLog.Of(samples, step ?? steps[^1]), Trajectories.Of(e, "rlhf", besides: feature),
            hasAdapter ? Comparison.Of(e, "rlhf")?.Analysis?.Ledger : null);
    }).WithSummary("What was learned from rewards: summary, curves, the samples of a step (the last, if none is named), trajectories of the dials moved most, the ledger.");
}
