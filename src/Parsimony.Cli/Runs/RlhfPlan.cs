using Parsimony.Cli.Commands;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards.Trained;
using Parsimony.Models;
using static Parsimony.Cli.Runs.PlannedBytes;

namespace Parsimony.Cli.Runs;

/// <summary>Makes the plan of learning from rewards, as if every response were as long as it may be: memory by arithmetic, time from one layer, a few logits and one new token of a batch.
/// How long rewards take to judge is not known before they do.</summary>
internal static class RlhfPlan
{
    private const int ScoredTensors = 6; // of logits, of policy and reference side by side

    /// <summary>The plan.</summary>
    /// <param name="saes">The SAEs in their model.</param>
    /// <param name="options">The command's options.</param>
    /// <param name="learnt">Prompts to learn from.</param>
    /// <param name="asked">Prompts to measure on.</param>
    /// <param name="perplexity">The contexts that perplexity is measured on; none: it is not.</param>
    /// <param name="folder">The run folder.</param>
    public static ResourcePlan Of(
        LoadedSaes saes, RlhfOptions options, IReadOnlyList<RolloutPrompt> learnt, IReadOnlyList<RolloutPrompt> asked, IReadOnlyList<int[]> perplexity, string folder)
    {
        var (model, policy) = (saes.Model.Model, options.Policy);
        var config = model.Config;
        bool learns = options.Decoding.Decoding is Decoding.Learn, clamps = options.Decoding.Decoding is Decoding.Clamp, recomputes = policy.Recompute || model.IsStreamed;
        var learner = clamps ? new LearnerSize(saes.First.At, 0, saes.First.Sae.DSae) : LearnerSize.Of(saes, options.Dials, options.Baseline);
        int rows = policy.BatchSize, response = policy.MaxNewTokens, longest = learnt.Concat(asked).Max(p => p.Tokens.Length) + response, runs = !learns ? 0 : options.NullRun ? 2 : 1;
        if (longest > config.MaxSequenceLength) throw new ArgumentException(
            $"a prompt with {response} new tokens is {longest} long; the model was made for {config.MaxSequenceLength}. Lower --prompt-tokens or --max-new-tokens.");
        long part = (rows + policy.Minibatches - 1) / policy.Minibatches, width = longest, text = perplexity.Sum(c => (long)c.Length);
        var memory = new Dictionary<string, long>(Weights(saes.Model, saes.All.Select(s => s.Sae), options.Load))
        {
            ["KV cache"] = KvCache.Bytes(config, rows, longest),
            ["a pass that samples"] = Pass(config, rows * (width - response)) + ScoredTensors / 2L * rows * config.DVocab * Float,
            ["rollout"] = Rollout(config, learner.At, rows, longest, response, keepsHidden: learns && policy.Algorithm is PolicyAlgorithm.Ppo),
            ["the SAE's pass"] = Spliced(Math.Max(learns ? part * width : 0, rows * (width - response) / 2), learner.Latents), // sampled without gradients: half as many tensors
            ["logits"] = Logits(config, rows * response, ScoredTensors),
            ["states of the held-out text"] = States(config, learner.At, text, RlhfCommand.PerplexityCacheBytes),
        };
        if (learns)
        {
            var (name, kept) = Backward(config, learner.At, part * width, recomputes);
            memory[name] = kept;
            memory["what is learned and its optimiser"] = Learnt(learner.Parameters);
            if (policy.Algorithm is PolicyAlgorithm.Ppo) memory["value head"] = Learnt(config.DModel + 1);
        }
        if (options.Rewards?.Model is { } judge) memory["the reward's model"] = Judge(judge, model);
        var (prompted, tokens) = learns ? Steps(learnt, policy) : (0, 0);
        var plan = new ResourcePlan
        {
            Memory = memory,
            DiskBytes = learns ? Disk(learner.Parameters, runs) + (policy.Algorithm is PolicyAlgorithm.Ppo ? Disk(config.DModel + 1, runs) : 0) : 0,
            DiskFree = Files.DiskSpace.Free(folder),
            Tokens = tokens,
        };
        if (plan.MemoryBytes > plan.MemoryFree) return plan;

        var rates = LayerRates.Of(model, rows);
        long above = learner.LayersAbove(config), sampled = policy.Steps * rows * response, below = learner.At.Layer + 1;
        double Sampling(long prompts, double batches) => prompts * config.NLayers * rates.Layer + batches * response * rates.NewTokens;
        double Scoring(long all, long predicted) => all * (below + 2 * above) * rates.Layer + 2 * predicted * rates.Logits;
        double run = Sampling(prompted, policy.Steps) + Scoring(tokens, sampled)
            + policy.Epochs * (tokens * (recomputes ? 3 : 2) * above * rates.Layer + 3 * sampled * rates.Logits);
        double batches = Math.Ceiling((double)options.Continuations / rows);
        long shown = (long)options.Continuations * (width - response), judged = (long)options.Continuations * width, said = (long)options.Continuations * response;
        double sampling = Sampling(shown, batches), scored = sampling + (learns || clamps ? Scoring(judged, said) : 0); // decoded otherwise, the KL needs no pass
        double measured = sampling + scored * (options.Decoding.Decoding is Decoding.BestOfN ? options.Decoding.BestOf : 1) + (runs > 1 ? scored : 0);
        double perplexities = text * ((below + 2 * above) * rates.Layer + 2 * rates.Logits);
        return plan with
        {
            TrainingSeconds = Math.Round(runs * run + measured + perplexities, 1),
            TrainingMeasuredOn = $"{LayerRates.MeasuredOn}, one new token of {rows} responses, each as long as it may be; what the rewards take is not in it",
            ForeignLoad = rates.Others,
        };
    }

    /// <summary>A batch of prompts with responses, what of it is kept below the hook, and the scores.</summary>
    internal static long Rollout(IModelConfig config, HookPoint at, long rows, long longest, long response, bool keepsHidden) =>
        rows * longest * sizeof(long) + rows * response * (sizeof(long) + sizeof(bool) + Float)          // tokens; responses, mask, ln p as sampled
        + States(config, at, rows * longest) + 4 * rows * response * Float                               // ln p of policy and reference, KL, entropy
        + (keepsHidden ? rows * response * config.DModel * Float : 0);

    /// <summary>Tokens of all steps' prompts, as wide as the longest of each step, and of prompts with responses.</summary>
    private static (long Prompts, long Whole) Steps(IReadOnlyList<RolloutPrompt> prompts, PolicyOptions policy)
    {
        var order = new ExampleOrder(prompts.Count, policy.BatchSize / policy.ResponsesPerPrompt, shuffle: true, policy.Seed);
        var sum = (Prompts: 0L, Whole: 0L);
        for (long step = 0; step < policy.Steps; step++)
        {
            long longest = order.Batch(step).Max(i => prompts[i].Tokens.Length);
            sum = (sum.Prompts + policy.BatchSize * longest, sum.Whole + policy.BatchSize * (longest + policy.MaxNewTokens));
        }
        return sum;
    }

    /// <summary>A reward model's own language model; 0 where that is the one that is taught.</summary>
    private static long Judge(ModelRewardOptions options, Transformer taught)
    {
        var (head, config) = RewardHeadFolder.Load(options.Path);
        head.Dispose();
        return config.BaseModelSha256 == taught.Sha256 ? 0 : new ModelSize(ModelConfig.Load(options.BaseModel ?? config.BaseModelFolder), config.BaseModelWeights).Bytes;
    }
}
