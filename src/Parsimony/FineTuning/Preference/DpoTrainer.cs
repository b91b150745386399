using System.Diagnostics;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Preference;

/// <summary>
/// An adapter learns from pairs of a better and a worse completion without sampling (Rafailov et al. 2023, DPO, and its family). The reference is the same model with the
/// adapter at rest; it is asked once about every pair.
/// </summary>
public sealed class DpoTrainer
{
    private readonly Transformer model;
    private readonly IAdapter adapter;
    private readonly DpoOptions options;
    private readonly PrefixCache? shared;

    /// <summary>A trainer.</summary>
    /// <param name="model">The frozen model; not owned.</param>
    /// <param name="adapter">What is learnt, changed in place; not owned.</param>
    /// <param name="options">How to learn.</param>
    /// <param name="prefixes">Kept states to share between runs on the same pairs; not owned. Null: each run keeps its own.</param>
    /// <exception cref="ArgumentException">The options have faults, or the states are of another hook point.</exception>
    public DpoTrainer(Transformer model, IAdapter adapter, DpoOptions options, PrefixCache? prefixes = null)
    {
        if (prefixes is not null && (prefixes.At != adapter.Hooks[0] || !ReferenceEquals(prefixes.Model, model))) throw new ArgumentException(
            $"the kept states are of {prefixes.At} or of another model; expected {adapter.Hooks[0]} of this model.", nameof(prefixes));
        (this.model, this.adapter, this.options, shared) = (model, adapter, options.Validated(), prefixes);
    }

    /// <summary>Trains to the end, or goes on from the checkpoint in the folder; either way the adapter ends with the same bits.</summary>
    /// <param name="train">Pairs to learn from, 1 or more.</param>
    /// <param name="heldOut">Pairs to measure on; may be empty.</param>
    /// <param name="folder">Where metrics.jsonl, the checkpoint and the reference's scores go; null writes nothing.</param>
    /// <param name="progress">Told at every log line.</param>
    /// <param name="cancellation">Ends the run after the current step, its state saved.</param>
    /// <exception cref="ArgumentException">No pairs, or one that is too long for the model.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint is damaged or of another run.</exception>
    /// <exception cref="InvalidOperationException">The loss is no longer finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved.</exception>
    public DpoResult Train(
        IReadOnlyList<PreferencePair> train, IReadOnlyList<PreferencePair> heldOut, string? folder = null, IProgress<DpoProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        if (train.Count == 0) throw new ArgumentException("there is no pair to learn from.", nameof(train));
        CheckLengths([.. train, .. heldOut]);
        var clock = Stopwatch.StartNew();
        using var own = shared is null ? new PrefixCache(model, adapter.Hooks[0], options.PrefixCacheBytes) : null;
        var prefixes = shared ?? own!;
        var measured = Scored(heldOut, "reference-heldout");
        var learnt = Scored(train, "reference");
        if (options.ShuffleLabels)
        {
            int[] order = Permutation.Draw(train.Count, options.Seed, RandomUse.Labels, 0);
            learnt = learnt.Exchanged(i => order[i] < train.Count / 2);
        }
        var before = Report(measured, prefixes, atRest: true, cancellation);
        adapter.Prepare(model, learnt.Rows.Select(row => prefixes.Batch([row])));
        using var run = new DpoRun(adapter, options, folder, Identity(train, StepOptions));
        var order0 = new ExampleOrder(train.Count, options.BatchSize, shuffle: true, options.Seed);
        var tapped = options.Recompute || model.IsStreamed ? adapter.Layers() : null;
        using var withGradient = enable_grad();
        while (run.Step < options.Steps)
        {
            using var scope = NewDisposeScope();
            if (cancellation.IsCancellationRequested) run.Save();
            cancellation.ThrowIfCancellationRequested();

            int[] which = order0.Batch(run.Step);
            var batch = learnt.Batch(which);
            var (logProbs, tokens) = batch.Score(model, prefixes, adapter, atRest: false, tapped);   // [2 pairs]
            var (chosen, rejected) = batch.Halves(logProbs, learnt.Reference(which, model.Device), tokens);
            var preference = Loss(chosen, rejected);
            var loss = preference.Losses.mean();
            if (options.NllWeight > 0) loss = loss - options.NllWeight * (chosen.Policy.sum() / chosen.Tokens.sum());
            run.Update(loss, preference, logProbs, batch.TokensSeen);

            if (run.Step % options.LogEverySteps == 0 || run.Step == options.Steps)
            {
                var line = run.Log();
                progress?.Report(line);
            }
            if (run.Step % options.CheckpointEverySteps == 0 || run.Step == options.Steps) run.Save();
        }
        return new DpoResult
        {
            Before = before,
            After = Report(measured, prefixes, atRest: false, cancellation),
            TrainableParameters = adapter.TrainableParameters,
            TokensSeen = run.TokensSeen,
            Seconds = clock.Elapsed.TotalSeconds,
        };

        PairSet Scored(IReadOnlyList<PreferencePair> pairs, string name) => PairSet.Of(pairs, options.Loss is not PreferenceLossKind.SimPo, batch =>
        {
            cancellation.ThrowIfCancellationRequested();
            return batch.Score(model, prefixes, adapter, atRest: true).LogProbs;
        }, options.BatchSize, folder is null ? null : Path.Combine(folder, $"{name}.safetensors"), Identity(pairs, new { options.BatchSize }));
    }

    // What does not change a step may differ: how long the run is, how often it logs, how much it keeps.
    private DpoOptions StepOptions => options with { Steps = 0, LogEverySteps = 1, CheckpointEverySteps = 1, PrefixCache = "0", Recompute = false, HeldOutFraction = 0 };

    private Dictionary<string, string> Identity<T>(IReadOnlyList<PreferencePair> pairs, T with)
    {
        using var hash = PairSet.Hash(pairs);
        return RunIdentity.Of(model, adapter, with, hash);
    }

    private PreferenceLoss Loss(CompletionScores chosen, CompletionScores rejected) =>
        PreferenceLoss.Of(options.Loss, chosen, rejected, options.Beta, options.Loss is PreferenceLossKind.Sigmoid or PreferenceLossKind.Robust ? options.LabelSmoothing : 0, options.SimPoMargin);

    private PreferenceReport Report(PairSet pairs, PrefixCache prefixes, bool atRest, CancellationToken cancellation)
    {
        using var noGradient = no_grad();
        double loss = 0, accuracy = 0, margin = 0, likelier = 0;
        foreach (int[] which in Enumerable.Range(0, pairs.Count).Chunk(options.BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var batch = pairs.Batch(which);
            var (logProbs, tokens) = batch.Score(model, prefixes, adapter, atRest);
            var (chosen, rejected) = batch.Halves(logProbs, pairs.Reference(which, model.Device), tokens);
            var preference = Loss(chosen, rejected);
            loss += preference.Losses.sum().item<float>();
            accuracy += preference.Accuracy() * which.Length;
            margin += preference.Margin() * which.Length;
            likelier += (chosen.Policy / chosen.Tokens).gt(rejected.Policy / rejected.Tokens).sum().item<long>();
        }
        return new PreferenceReport(loss / pairs.Count, accuracy / pairs.Count, margin / pairs.Count, likelier / pairs.Count);
    }

    private void CheckLengths(IReadOnlyList<PreferencePair> pairs)
    {
        foreach (var pair in pairs)
        {
            if (pair.LongestTokens > model.Config.MaxSequenceLength) throw new ArgumentException(
                $"a pair has {pair.LongestTokens} tokens in its prompt and longer completion; the model was made for {model.Config.MaxSequenceLength}. Read the pairs with a smaller sequence_length.");
            if (pair.ChosenExample.Targets < 1 || pair.RejectedExample.Targets < 1) throw new ArgumentException(
                "a pair has a completion in which nothing is to be predicted; both need a token that follows another.");
        }
    }
}
