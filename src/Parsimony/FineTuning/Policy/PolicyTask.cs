using Parsimony.Autoencoders;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>What is frozen in a run of learning from rewards, and what every algorithm does with it. Each of these is a function of the step and the
/// dials: a resumed run needs no generator's state, only its position.</summary>
internal sealed class PolicyTask(
    Transformer model, HookPoint at, ISparseAutoencoder sae, Tokenizer tokenizer, IReadOnlyList<RolloutPrompt> prompts, WeightedRewards rewards,
    PolicyOptions options)
{
    private readonly ExampleOrder order = new(prompts.Count, options.BatchSize / options.ResponsesPerPrompt, shuffle: true, options.Seed);

    public PolicyOptions Options => options;

    /// <summary>The model with the dials as they are now.</summary>
    public Tap Policy(FeatureDials dials) => dials.Splice(sae, options.Mode);

    /// <summary>The same weights with dials at rest: the plain model in delta mode, the fused one in replace mode. Everything is in the caller's scope.</summary>
    public Tap? Reference() => options.Mode is SpliceMode.Delta ? null
        : Taps.Splice(at, sae, options.Mode, ones(sae.DSae, device: model.Device), zeros(sae.DSae, device: model.Device)); // by the policy's own arithmetic

    /// <summary>Samples the step's batch: the responses to one prompt stand side by side.</summary>
    public Rollout Sample(long step, Tap? tap, CancellationToken cancellation) => Rollout.Draw(
        model, tap, [.. order.Batch(step).SelectMany(i => Enumerable.Repeat(prompts[i], options.ResponsesPerPrompt))],
        Sampling(Permutation.Seed(options.Seed, RandomUse.Sampling, step)), tokenizer.EndOfTextId, cancellation);

    /// <summary>How tokens are drawn.</summary>
    public SamplingOptions Sampling(long seed) => new()
    {
        MaxNewTokens = options.MaxNewTokens,
        Temperature = options.Temperature,
        TopK = options.TopK,
        TopP = options.TopP,
        Seed = seed,
    };

    /// <summary>Judges it.</summary>
    public RolloutRewards Judge(Rollout rollout, long step, CancellationToken cancellation) => RolloutRewards.Of(
        rollout, tokenizer, rewards, options.NullRewards, rows => Permutation.Draw(rows, options.Seed, RandomUse.Rewards, step), cancellation);

    /// <summary>Runs it up to the hook.</summary>
    public FrozenRollout Freeze(Rollout rollout) => new(model, at, rollout, options.Temperature, options.Recompute || model.IsStreamed);

    /// <summary>The rows of each update of an epoch.</summary>
    public IEnumerable<long[]> Minibatches(long step, int epoch)
    {
        long[] rows = [.. Permutation.Draw(options.BatchSize, options.Seed, RandomUse.Minibatches, step * options.Epochs + epoch)];
        for (int i = 0; i < options.Minibatches; i++)
            yield return rows[(rows.Length * i / options.Minibatches)..(rows.Length * (i + 1) / options.Minibatches)];
    }

    /// <summary>All updates of a step, epoch by epoch.</summary>
    public IEnumerable<long[]> Updates(long step) => Enumerable.Range(0, options.Epochs).SelectMany(epoch => Minibatches(step, epoch));

    /// <summary>The latents that may move, <c>[d_sae]</c>, Bool; null: all.</summary>
    public Tensor? MayMove(CancellationToken cancellation) => LatentMask.MayMove(sae, options.AllowLatents, options.FreezeLatents, options.MinFirings, least =>
    {
        using var scope = NewDisposeScope();
        var rollout = Sample(0, Reference(), cancellation);
        using var prefixes = new PrefixCache(model, at, 0);
        var rows = rollout.Prompts.Zip(rollout.Responses, (p, r) => (int[])[.. p.Tokens, .. r]);
        return LatentMask.Evidence(LatentMask.Firings(sae, prefixes, rows), least).MoveToOuterDisposeScope();
    });
}
