using System.Diagnostics;
using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Native;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning;

/// <summary>
/// Learns the dials c and d from text through the frozen fused model (the article, "Fine-tuning"): next-token cross-entropy, AdamW on
/// gamma = c - 1 and d, nothing else changed. What lies below the hook is not run again while its states are kept.
/// </summary>
public sealed class SftTrainer
{
    private readonly Transformer model;
    private readonly HookPoint at;
    private readonly ISparseAutoencoder sae;
    private readonly SftOptions options;
    private readonly PrefixCache? shared;

    /// <summary>A trainer for one SAE at one hook point.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="at">Where the SAE is spliced in.</param>
    /// <param name="sae">The frozen SAE; not owned.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="prefixes">Kept states to share between runs on the same examples, such as a run and its null run; not owned.
    /// Null: each run keeps its own, within the options' budget.</param>
    /// <exception cref="ArgumentException">The options have faults, the SAE does not fit the hook point, or the states are of another.</exception>
    public SftTrainer(Transformer model, HookPoint at, ISparseAutoencoder sae, SftOptions options, PrefixCache? prefixes = null)
    {
        SpliceFit.Ensure(model, at, sae);
        if (prefixes is not null && (prefixes.At != at || !ReferenceEquals(prefixes.Model, model))) throw new ArgumentException(
            $"the kept states are of {prefixes.At} or of another model; expected {at} of this model.", nameof(prefixes));
        (this.model, this.at, this.sae, this.options, shared) = (model, at, sae, options.Validated(), prefixes);
    }

    /// <summary>Trains to the end, or goes on from the checkpoint in the folder; either way the dials end with the same bits.</summary>
    /// <param name="train">Examples to learn from, 1 or more.</param>
    /// <param name="heldOut">Examples to measure on; may be empty.</param>
    /// <param name="folder">Where metrics.jsonl and the checkpoint go; null writes nothing.</param>
    /// <param name="progress">Told at every log line.</param>
    /// <param name="cancellation">Ends the run after the current step, its state saved.</param>
    /// <exception cref="ArgumentException">No examples, or one that is too long for the model or has no target; or a latent of the options is
    /// not one of the SAE's.</exception>
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
        using var own = shared is null ? new PrefixCache(model, at, options.PrefixCacheBytes) : null;
        var prefixes = shared ?? own!;
        var heldOutLoss = new HeldOutLoss(model, prefixes, heldOut, options.BatchSize, cancellation);
        double plain = heldOutLoss.Of(null), before = heldOutLoss.Of(Taps.Splice(at, sae, options.Mode));

        using var mayMove = LatentMask.MayMove(sae, options.AllowLatents, options.FreezeLatents, options.MinFirings,
            least => LatentMask.Evidence(LatentMask.Firings(sae, prefixes, train.Select(e => e.Tokens)), least));
        using var run = new SftRun(at, sae, options, folder, SftRun.Identity(model, at, sae, options, train), mayMove);
        var order = new ExampleOrder(train.Count, options.BatchSize, options.Shuffle, options.Seed);
        bool recomputes = options.Recompute ?? KeepsTooMuch(model, at, options);
        using var withGradient = enable_grad();
        while (run.Step < options.Steps)
        {
            using var scope = NewDisposeScope();
            if (cancellation.IsCancellationRequested) run.Save();
            cancellation.ThrowIfCancellationRequested();

            long step = run.Step;
            var batch = new SftBatch([.. order.Batch(step).Select(i => train[i])],
                options.ShuffleLabels ? targets => Permutation.Draw(targets, options.Seed, RandomUse.Labels, step) : null);
            var residual = model.ResidualFrom(prefixes.Batch(batch.Rows), run.Dials.Splice(sae, options.Mode), recomputes ? new HashSet<int> { at.Layer } : null);
            var lossSum = batch.LossSum(model, residual);
            var gradients = Gradients.Of(lossSum / batch.Targets, run.Dials.Gamma, run.Dials.Shift);
            run.Update(gradients, lossSum, batch);

            if (run.Step % options.LogEverySteps == 0 || run.Step == options.Steps)
            {
                var line = run.Log(gradients);
                progress?.Report(line);
            }
            if (run.Step % options.CheckpointEverySteps == 0 || run.Step == options.Steps) run.Save();
        }

        using var afterwards = NewDisposeScope();
        double after = heldOutLoss.Of(run.Dials.Splice(sae, options.Mode));
        var movement = heldOut.Count == 0 ? null : DialMovement.Measure(sae, run.Dials, prefixes, [.. heldOut.Select(e => e.Tokens)]);
        return new SftResult
        {
            Dials = run.GiveDials(),
            HeldOutPlain = plain,
            HeldOutBefore = before,
            HeldOutAfter = after,
            Movement = movement,
            TrainableParameters = run.TrainableParameters,
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
