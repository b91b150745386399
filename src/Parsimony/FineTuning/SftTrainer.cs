using System.Diagnostics;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// An adapter, such as the dials c and d, learns from text through the frozen model (the article, "Fine-tuning"): next-token cross-entropy, AdamW on
/// its numbers, nothing else changed. What lies below its first hook point is not run again while its states are kept.
/// </summary>
public sealed class SftTrainer
{
    private readonly Transformer model;
    private readonly IAdapter adapter;
    private readonly SftOptions options;
    private readonly PrefixCache? shared;

    /// <summary>A trainer.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="adapter">What is learnt, changed in place; not owned.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="prefixes">Kept states to share between runs on the same examples, such as a run and its null run; not owned.
    /// Null: each run keeps its own, within the options' budget.</param>
    /// <exception cref="ArgumentException">The options have faults, or the states are of another hook point.</exception>
    public SftTrainer(Transformer model, IAdapter adapter, SftOptions options, PrefixCache? prefixes = null)
    {
        var at = adapter.Hooks[0];
        if (prefixes is not null && (prefixes.At != at || !ReferenceEquals(prefixes.Model, model))) throw new ArgumentException(
            $"the kept states are of {prefixes.At} or of another model; expected {at} of this model.", nameof(prefixes));
        (this.model, this.adapter, this.options, shared) = (model, adapter, options.Validated(), prefixes);
    }

    /// <summary>Trains to the end, or goes on from the checkpoint in the folder; either way the adapter ends with the same bits.</summary>
    /// <param name="train">Examples to learn from, 1 or more.</param>
    /// <param name="heldOut">Examples to measure on; may be empty.</param>
    /// <param name="folder">Where metrics.jsonl and the checkpoint go; null writes nothing.</param>
    /// <param name="progress">Told at every log line.</param>
    /// <param name="cancellation">Ends the run after the current step, its state saved.</param>
    /// <exception cref="ArgumentException">No examples, or one that is too long for the model or has no target.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint is damaged or of another run.</exception>
    /// <exception cref="InvalidOperationException">The loss is no longer finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public SftResult Train(
        IReadOnlyList<SftExample> train, IReadOnlyList<SftExample> heldOut, string? folder = null,
        IProgress<SftProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (train.Count == 0) throw new ArgumentException("there is no example to learn from.", nameof(train));
        CheckExamples([.. train, .. heldOut]);
        var clock = Stopwatch.StartNew();
        using var own = shared is null ? new PrefixCache(model, adapter.Hooks[0], options.PrefixCacheBytes) : null;
        var prefixes = shared ?? own!;
        var heldOutLoss = new HeldOutLoss(model, prefixes, heldOut, options.BatchSize, cancellation);
        double plain, before;
        using (NewDisposeScope()) (plain, before) = (heldOutLoss.Of(null), heldOutLoss.AtRest(adapter));

        adapter.Prepare(model, train.Select(e => prefixes.Batch([e.Tokens])));
        using var run = new SftRun(adapter, options, folder, SftRun.Identity(model, adapter, options, train));
        var order = new ExampleOrder(train.Count, options.BatchSize, options.Shuffle, options.Seed);
        var tapped = options.Recompute ?? KeepsTooMuch(model, adapter.Hooks[0], options) ? adapter.Layers() : null;
        using var withGradient = enable_grad();
        while (run.Step < options.Steps)
        {
            using var scope = NewDisposeScope();
            if (cancellation.IsCancellationRequested) run.Save();
            cancellation.ThrowIfCancellationRequested();

            long step = run.Step;
            var batch = new SftBatch([.. order.Batch(step).Select(i => train[i])],
                options.ShuffleLabels ? targets => Permutation.Draw(targets, options.Seed, RandomUse.Labels, step) : null);
            var residual = model.ResidualFrom(prefixes.Batch(batch.Rows), adapter.Tap(batch.Where(adapter.Positions)), tapped);
            var lossSum = batch.LossSum(model, residual);
            run.Update(Gradients.Of(lossSum / batch.Targets, run.Parameters), lossSum, batch);

            if (run.Step % options.LogEverySteps == 0 || run.Step == options.Steps)
            {
                var line = run.Log();
                progress?.Report(line);
            }
            if (run.Step % options.CheckpointEverySteps == 0 || run.Step == options.Steps) run.Save();
        }

        using var afterwards = NewDisposeScope();
        return new SftResult
        {
            HeldOutPlain = plain,
            HeldOutBefore = before,
            HeldOutAfter = heldOutLoss.With(adapter),
            TrainableParameters = adapter.TrainableParameters,
            TokensSeen = run.TokensSeen,
            Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    /// <summary>Whether what the layers above the hook would keep for the backward pass is more than a quarter of the free memory, or their weights do not stay either.</summary>
    internal static bool KeepsTooMuch(Transformer model, HookPoint at, SftOptions options) => model.IsStreamed
        || sizeof(float) * KeptNumbers(model.Config) * options.BatchSize * options.SequenceLength * (model.Config.NLayers - at.Layer) > MachineMemory.Available / 4;

    /// <summary>Numbers that a layer keeps of a token for its backward pass, about: two norms' inputs, q, k, v and what is mixed of them, the MLP's input and its nonlinearity's.</summary>
    internal static long KeptNumbers(IModelConfig config) => 7L * config.DModel + (config.GatedMlp ? 3 : 1) * config.DMlp;

    private void CheckExamples(IReadOnlyList<SftExample> examples)
    {
        int limit = Math.Min(options.SequenceLength, model.Config.MaxSequenceLength);
        foreach (var e in examples)
        {
            if (e.Mask is { } mask && mask.Length != e.Tokens.Length) throw new ArgumentException(
                $"an example of {e.Tokens.Length} tokens has a mask of {mask.Length}; it must have one entry for each token.");
            if (e.FirstTarget < 1 || e.Targets < 1) throw new ArgumentException(
                $"an example of {e.Tokens.Length} tokens has its first target at {e.FirstTarget}; allowed are 1 to {e.Tokens.Length - 1}.");
            if (e.Tokens.Length > limit) throw new ArgumentException(
                $"an example has {e.Tokens.Length} tokens; sequence_length is {options.SequenceLength} and the model's limit "
                + $"{model.Config.MaxSequenceLength}. Shorten the examples or raise sequence_length.");
        }
    }
}
