using System.Diagnostics;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Policy;

/// <summary>
/// Learns the dials c and d from rewards on what the fused model says (the article's wish: PPO on the model with its SAE in it). Policy and reference
/// are the same frozen weights, with and without the dials; what lies below the hook is run once for each rollout.
/// </summary>
public sealed class PolicyTrainer
{
    private readonly Transformer model;
    private readonly IAdapter adapter;
    private readonly Tokenizer tokenizer;
    private readonly PolicyOptions options;

    /// <summary>A trainer.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="adapter">What is learnt, changed in place; not owned.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="options">How to learn.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public PolicyTrainer(Transformer model, IAdapter adapter, Tokenizer tokenizer, PolicyOptions options) =>
        (this.model, this.adapter, this.tokenizer, this.options) = (model, adapter, tokenizer, options.Validated());

    /// <summary>Trains to the end, or goes on from the checkpoint in the folder; either way the adapter ends with the same bits.</summary>
    /// <param name="prompts">What to go on from, 1 or more.</param>
    /// <param name="rewards">What is wanted; not owned.</param>
    /// <param name="folder">Where metrics.jsonl, samples.jsonl and the checkpoint go; null writes nothing.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Ends the run; the state after the last whole step is saved.</param>
    /// <exception cref="ArgumentException">There is no prompt, or one leaves no room for the response.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint is damaged or of another run.</exception>
    /// <exception cref="InvalidOperationException">A reward failed, and the state is saved; or the loss is no longer finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public PolicyResult Train(
        IReadOnlyList<RolloutPrompt> prompts, WeightedRewards rewards, string? folder = null,
        IProgress<PolicyProgress>? progress = null, CancellationToken cancellation = default)
    {
        CheckPrompts(prompts);
        var clock = Stopwatch.StartNew();
        var task = new PolicyTask(model, adapter, tokenizer, prompts, rewards, options);
        task.Prepare(cancellation);
        using var run = new PolicyRun(adapter, model.Config.DModel, model.Device, options, folder,
            PolicyRun.Identity(model, adapter, options, prompts, rewards.Names));
        using var withGradient = enable_grad();
        while (run.Step < options.Steps)
        {
            try
            {
                cancellation.ThrowIfCancellationRequested();
                var (line, samples) = options.Algorithm switch
                {
                    PolicyAlgorithm.Rloo => RlooStep.Take(task, run, cancellation),
                    PolicyAlgorithm.Grpo => GrpoStep.Take(task, run, cancellation),
                    _ => PpoStep.Take(task, run, cancellation),
                };
                run.Log(line, samples);
                progress?.Report(line);
            }
            catch when (!run.IsMidStep)                                      // cancelled, or a reward failed: the last whole step is kept
            {
                run.Save();
                throw;
            }
            if (run.Step % options.CheckpointEverySteps == 0 || run.Step == options.Steps) run.Save();
        }
        return new PolicyResult
        {
            Steps = run.Step,
            Responses = run.Responses,
            TokensSampled = run.TokensSampled,
            TrainableParameters = adapter.TrainableParameters,
            Warnings = [.. rewards.Warnings],
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    private void CheckPrompts(IReadOnlyList<RolloutPrompt> prompts)
    {
        if (prompts.Count == 0) throw new ArgumentException("there is no prompt to go on from; give one or more.", nameof(prompts));
        int limit = model.Config.MaxSequenceLength - options.MaxNewTokens;
        foreach (var prompt in prompts)
            if (prompt.Tokens.Length < 1 || prompt.Tokens.Length > limit) throw new ArgumentException(
                $"a prompt has {prompt.Tokens.Length} tokens; with {options.MaxNewTokens} new ones it may have 1 to {limit}, for the model was made for "
                + $"{model.Config.MaxSequenceLength}. Shorten the prompts or lower max_new_tokens.", nameof(prompts));
    }
}
