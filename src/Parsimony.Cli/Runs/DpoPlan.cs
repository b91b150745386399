using Parsimony.Cli.Commands;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Preference;
using static Parsimony.Cli.Runs.PlannedBytes;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plan of learning from preference pairs: memory by arithmetic, the steps' tokens by their true order, time from one layer and a few logits.</summary>
internal static class DpoPlan
{
    /// <summary>The plan.</summary>
    /// <param name="saes">The SAEs in their model.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="train">Pairs to learn from.</param>
    /// <param name="heldOut">Pairs to measure on.</param>
    /// <param name="folder">The run folder.</param>
    public static ResourcePlan Of(LoadedSaes saes, DpoCommandOptions options, IReadOnlyList<PreferencePair> train, IReadOnlyList<PreferencePair> heldOut, string folder)
    {
        if (train.Count == 0) throw new ArgumentException("there is no pair to learn from.");
        var (model, dpo, learner) = (saes.Model.Model, options.Dpo, LearnerSize.Of(saes, options.Dials, options.Baseline));
        var config = model.Config;
        List<PreferencePair> all = [.. train, .. heldOut];
        long most = 2L * dpo.BatchSize * all.Max(p => p.LongestTokens);                            // tokens of a step, padding included
        long tokens = all.Sum(Tokens), above = learner.LayersAbove(config);
        int runs = options.NullRun ? 2 : 1;
        bool recomputes = dpo.Recompute || model.IsStreamed, hasReference = dpo.Loss is not PreferenceLossKind.SimPo;
        var (padded, targets) = Steps(train, dpo);
        var plan = new ResourcePlan
        {
            Memory = new Dictionary<string, long>([.. Weights(saes.Model, saes.All.Select(s => s.Sae), options.Load), Backward(config, learner.At, most, recomputes)])
            {
                ["the SAE's pass"] = Spliced(most, learner.Latents),
                ["logits"] = Logits(config, most),
                ["what is learned and its optimiser"] = Learnt(learner.Parameters),
                ["states below the hook"] = States(config, learner.At, tokens, dpo.PrefixCacheBytes),
                ["the reference's scores"] = hasReference ? 2L * all.Count * Float : 0,
            },
            DiskBytes = Disk(learner.Parameters, runs) + (hasReference ? 2L * runs * all.Count * Float : 0),
            DiskFree = Files.DiskSpace.Free(folder),
            Tokens = padded,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;
        var rates = LayerRates.Of(model);
        double Forward(IReadOnlyList<PreferencePair> pairs) => pairs.Sum(Tokens) * above * rates.Layer + pairs.Sum(Targets) * rates.Logits;
        double steps = padded * (recomputes ? 3 : 2) * above * rates.Layer + 3 * targets * rates.Logits;
        double measured = 2 * Forward(heldOut) + (hasReference ? Forward(all) : 0);
        double kept = Math.Min(1, dpo.PrefixCacheBytes / Math.Max(1.0, States(config, learner.At, tokens)));
        double below = kept * tokens + (1 - kept) * runs * (padded + 3 * tokens);                // what is not kept is run each time
        return plan with
        {
            TrainingSeconds = Math.Round(runs * (steps + measured) + below * (learner.At.Layer + 1) * rates.Layer, 1),
            TrainingMeasuredOn = LayerRates.MeasuredOn,
            ForeignLoad = rates.Others,
        };
    }

    /// <summary>Tokens of all steps, as wide as the longest of each step, and how many of them are predicted.</summary>
    private static (long Padded, long Targets) Steps(IReadOnlyList<PreferencePair> train, DpoOptions dpo)
    {
        int[] longest = [.. train.Select(p => p.LongestTokens)];
        long[] targets = [.. train.Select(Targets)];
        var order = new ExampleOrder(train.Count, dpo.BatchSize, shuffle: true, dpo.Seed);
        var sum = (Padded: 0L, Targets: 0L);
        for (long step = 0; step < dpo.Steps; step++)
        {
            int[] batch = order.Batch(step);
            sum = (sum.Padded + 2L * batch.Length * batch.Max(i => longest[i]), sum.Targets + batch.Sum(i => targets[i]));
        }
        return sum;
    }

    private static long Tokens(PreferencePair pair) => 2L * pair.Prompt.Length + pair.Chosen.Length + pair.Rejected.Length;

    private static long Targets(PreferencePair pair) => pair.Chosen.Length + pair.Rejected.Length; // without a prompt the first of each is none
}
