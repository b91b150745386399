using Parsimony.Cli.Commands;
using Parsimony.Files.Hub;
using Parsimony.Reporting;

namespace Parsimony.Cli.Runs;

/// <summary>Which model a run is of, by what its commands were told.</summary>
internal static class ModelOfRun
{
    /// <summary>The folder of the model that a run's index was made with, or its SAE was trained on.</summary>
    /// <exception cref="DirectoryNotFoundException">The run does not say, and no model is bundled.</exception>
    public static string Folder(RunFolder run)
    {
        var made = run.Recall<IndexOptions>("index");
        string? trained = made is not null && RunFolder.Contains(made.Sae) ? RunFolder.Existing(made.Sae).Recall<TrainOptions>("train")?.Model : run.Recall<TrainOptions>("train")?.Model;
        string model = made?.Model ?? trained ?? ModelFolder.Bundled ?? throw new DirectoryNotFoundException($"'{run.Folder}' does not say which model it belongs to.");
        return HubCache.Local(model, HubKind.Model, HubSettings.FromEnvironment());
    }

    /// <summary>The model that an adapter of a run folder was learned on, by what the run remembers; null: it lies in no run folder.</summary>
    public static string? OfAdapter(string adapter)
    {
        string? parent = Path.GetDirectoryName(Path.GetFullPath(adapter).TrimEnd(Path.DirectorySeparatorChar));
        if (parent is not null && !RunFolder.ContainsConfig(parent)) parent = Path.GetDirectoryName(parent); // rlhf/adapter, dpo/adapter, steer/NAME
        if (parent is null || !RunFolder.ContainsConfig(parent)) return null;
        var run = RunFolder.Existing(parent);
        foreach (var (model, saes) in new[]
        {
            run.Recall<FinetuneOptions>("finetune") is { } f ? (f.Model, f.Sae) : default,
            run.Recall<DpoCommandOptions>("dpo") is { } d ? (d.Model, d.Sae) : default,
            run.Recall<RlhfOptions>("rlhf") is { } r ? (r.Model, r.Sae) : default,
        })
            if ((model ?? (saes is [var sae, ..] && (RunFolder.Contains(sae) ? sae : RunFolder.OfSae(sae)) is { } trained ? TrainedOn(RunFolder.Existing(trained)) : null)) is { } found) return found;
        return TrainedOn(run);
    }

    private static string? TrainedOn(RunFolder run) => run.Recall<TrainOptions>("train")?.Model;
}
