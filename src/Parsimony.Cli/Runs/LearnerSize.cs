using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;

namespace Parsimony.Cli.Runs;

/// <summary>What a command would learn, by its size.</summary>
/// <param name="At">The first hook point at which it acts.</param>
/// <param name="Parameters">How many numbers are learned.</param>
/// <param name="Latents">Latents of all SAEs whose dials they are; 0: they are no dials.</param>
internal sealed record LearnerSize(HookPoint At, long Parameters, long Latents)
{
    /// <summary>Layers that run on top of the states below it, its own where most of that comes after it.</summary>
    public int LayersAbove(IModelConfig config) => config.NLayers - At.Layer - (At.Site >= HookSite.MlpOut ? 1 : 0);

    /// <summary>That of a command's options.</summary>
    public static LearnerSize Of(LoadedSaes saes, DialOptions dials, BaselineOptions baseline)
    {
        if (baseline.Method is BaselineMethod.RandomDictionary) baseline = baseline with { Method = BaselineMethod.Dials }; // of the SAEs' shapes; its directions need not be drawn
        using var learners = new Learners(saes, dials, baseline, []);
        using var adapter = learners.New();
        return new(adapter.Hooks[0], adapter.TrainableParameters, learners.AreDials ? saes.All.Sum(s => (long)s.Sae.DSae) : 0);
    }
}
