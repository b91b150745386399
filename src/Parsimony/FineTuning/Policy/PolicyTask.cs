using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What is frozen in a run of learning from rewards, and what every algorithm does with it. Each of these is a function of the step and the
/// adapter: a resumed run needs no generator's state, only its position.</summary>
internal sealed class PolicyTask(
    Transformer model, IAdapter adapter, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, WeightedRewards rewards,
    PolicyOptions options)
{
    private readonly ExampleOrder order = new(prompts.Count, options.BatchSize / options.ResponsesPerPrompt, shuffle: true, options.Seed);

    public PolicyOptions Options => options;

    /// <summary>Samples the step's batch: the responses to one prompt stand side by side.</summary>
    /// <param name="step">The step.</param>
    /// <param name="atRest">Whether the reference answers instead of the policy.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public Rollout Sample(long step, bool atRest, CancellationToken cancellation)
    {
        RolloutPrompt[] asked = [.. order.Batch(step).SelectMany(i => Enumerable.Repeat(prompts[i], options.ResponsesPerPrompt))];
        return Rollout.Draw(model, adapter, atRest, asked, options, Permutation.Seed(options.Seed, RandomUse.Sampling, step), tokenizer.EndOfTextId, cancellation);
    }

    /// <summary>Judges it.</summary>
    public RolloutRewards Judge(Rollout rollout, long step, CancellationToken cancellation) => RolloutRewards.Of(
        rollout, tokenizer, rewards, options.NullRewards, rows => Permutation.Draw(rows, options.Seed, RandomUse.Rewards, step), cancellation);

    /// <summary>Runs it up to the hook.</summary>
    public FrozenRollout Freeze(Rollout rollout) => new(model, adapter, rollout, options.Temperature, options.Recompute || model.IsStreamed);

    /// <summary>The rows of each update of an epoch.</summary>
    public IEnumerable<long[]> Minibatches(long step, int epoch)
    {
        long[] rows = [.. Permutation.Draw(options.BatchSize, options.Seed, RandomUse.Minibatches, step * options.Epochs + epoch)];
        for (int i = 0; i < options.Minibatches; i++)
            yield return rows[(rows.Length * i / options.Minibatches)..(rows.Length * (i + 1) / options.Minibatches)];
    }

    /// <summary>All updates of a step, epoch by epoch.</summary>
    public IEnumerable<long[]> Updates(long step) => Enumerable.Range(0, options.Epochs).SelectMany(epoch => Minibatches(step, epoch));

    /// <summary>Shows the adapter how the reference goes on with the first step's prompts.</summary>
    public void Prepare(CancellationToken cancellation)
    {
        adapter.Prepare(model, States());

        IEnumerable<HookState> States()
        {
            using var rollout = Sample(0, atRest: true, cancellation);
            using var prefixes = new PrefixCache(model, adapter.Hooks[0], 0);
            foreach (var (prompt, response) in rollout.Prompts.Zip(rollout.Responses)) yield return prefixes.Batch([[.. prompt.Tokens, .. response]]);
        }
    }
}
