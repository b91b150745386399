using System.Diagnostics;
using Parsimony.Activations;
using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Training;

/// <summary>
/// Trains one SAE: batch, step, log, resample, checkpoint. Everything that decides the next step is in the checkpoint, so a run that was
/// stopped and started again ends bit-equal to one that never stopped (same machine, same number of threads).
/// </summary>
/// <remarks>The run folder, when given, gets <c>metrics.jsonl</c> and <c>checkpoint.safetensors</c>; without one nothing is written or resumed.</remarks>
public sealed class SaeTrainer : IDisposable
{
    private readonly SaeTrainingOptions options;
    private readonly IActivationSource source;
    private readonly HookPoint hook;
    private readonly string? metricsPath, checkpointPath;
    private readonly ISaeStep sae;
    private readonly DeadLatents dead;
    private readonly FiringDensity density;
    private readonly L0Steering steering;
    private readonly LossGuard losses = new(L0Steering.EverySteps);
    private readonly Tensor firesSinceSteering = zeros(1, ScalarType.Float64).DetachFromDisposeScope();
    private Stopwatch sinceLog = new();
    private ActivationWaits waitsAtLog;
    private long stepAtLog, resampled;

    /// <summary>Prepares a run, or takes up the one whose checkpoint is in the folder.</summary>
    /// <param name="options">How to learn.</param>
    /// <param name="source">Where batches come from; stays the caller's.</param>
    /// <param name="hook">Where the activations were read, for messages and the checkpoint.</param>
    /// <param name="runFolder">Folder for metrics and checkpoint, made when absent; null: none.</param>
    /// <param name="step">How one step is done, from which first weights; null: <see cref="DenseStep"/> on a newborn SAE. Now the trainer's.</param>
    /// <exception cref="ArgumentException">Options out of range, or a step of another width than the source, or a source that does not read at the hook.</exception>
    /// <exception cref="InvalidDataException">The folder's checkpoint belongs to another run.</exception>
    public SaeTrainer(SaeTrainingOptions options, IActivationSource source, HookPoint hook, string? runFolder = null, ISaeStep? step = null)
    {
        (this.options, this.source, this.hook) = (options.Validated(), source, hook);
        sae = step ?? Newborn();
        if (sae.DModel != source.Width(hook))
            throw new ArgumentException($"The SAE takes activations of width {sae.DModel}; those at {hook} have width {source.Width(hook)}.");
        dead = new DeadLatents(sae.DSae, options.ResampleLookBackSteps, options.Seed + 1);
        density = new FiringDensity(sae.DSae, options.ResampleLookBackSteps);
        Steps = options.StepsFor(source.BatchTokens);
        steering = new L0Steering(options.L1Coefficient, options.TargetL0Fraction * sae.DSae, Steps);
        if (runFolder is null) return;
        Directory.CreateDirectory(runFolder);
        metricsPath = Path.Combine(runFolder, "metrics.jsonl");
        checkpointPath = Path.Combine(runFolder, "checkpoint.safetensors");
        Resume();
    }

    /// <summary>Steps of the whole run.</summary>
    public long Steps { get; }

    /// <summary>Steps done, those before a resume included.</summary>
    public long Step { get; private set; }

    /// <summary>Tokens trained on.</summary>
    public long TokensSeen => Step * source.BatchTokens;

    /// <summary>Trains to the end, or until cancelled.</summary>
    /// <param name="progress">Told at every line of metrics.</param>
    /// <param name="cancellation">Stops between two steps, after the state is saved.</param>
    /// <returns>The trained SAE; the caller's to dispose.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved and the same call goes on from it.</exception>
    /// <exception cref="InvalidOperationException">The loss is no longer finite; the message names step and hook.</exception>
    public TrainedSae Train(IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        while (Step < Steps)
        {
            using var scope = NewDisposeScope();
            if (NextOrNull(cancellation) is not { } batch)
            {
                Save();
                throw new OperationCanceledException($"Stopped after step {Step} of {Steps}; the state is saved.", cancellation);
            }
            Advance(batch, progress);
        }
        return Trained();
    }

    /// <summary>Does one step with a batch that the source gave: for whoever drives several trainers with the same batches.</summary>
    /// <param name="batch">Of this trainer's source, or of one that gives the same; stays the caller's.</param>
    /// <param name="progress">Told when a line of metrics is due.</param>
    /// <exception cref="InvalidOperationException">The loss is no longer finite; the message names step and hook.</exception>
    public void Advance(ActivationBatch batch, IProgress<TrainingProgress>? progress = null)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var x = batch.At(hook);
        if (!sinceLog.IsRunning) (stepAtLog, waitsAtLog, sinceLog) = (Step, source.Waits, Stopwatch.StartNew());
        var inputs = new SaeStepInputs(Step + 1, Schedules.LearningRate(options, TokensSeen),
            steering.Coefficient * Schedules.L1Factor(options, TokensSeen));
        var seen = sae.Run(x, x, inputs);
        Step++;
        Observe(seen);
        if (Step % options.LogEverySteps == 0 || Step == Steps) Log(x, seen, inputs, progress);
        if (IsDue(options.ResampleEverySteps) && Step < Steps) resampled += dead.Resample(sae);
        if (IsDue(options.CheckpointEverySteps) || Step == Steps) Save();
    }

    /// <summary>The SAE as it stands, with what is known of its latents; the caller's to dispose.</summary>
    public TrainedSae Trained() => new(sae.ToAutoencoder(), Step, TokensSeen, steering.Coefficient, density.Values(Step, source.BatchTokens),
        density.Tokens(Step, source.BatchTokens), dead.Fraction());

    /// <summary>Frees weights and counters; the source stays.</summary>
    public void Dispose()
    {
        sae.Dispose();
        dead.Dispose();
        density.Dispose();
        losses.Dispose();
        firesSinceSteering.Dispose();
    }

    private DenseStep Newborn()
    {
        using var start = StandardSae.Create(source.Width(hook), options.LatentsFor(source.Width(hook)), options.Seed);
        return new DenseStep(start, options);
    }

    private bool IsDue(long everySteps) => everySteps > 0 && Step % everySteps == 0;

    private ActivationBatch? NextOrNull(CancellationToken cancellation)
    {
        try
        {
            return cancellation.IsCancellationRequested ? null : source.Next(cancellation);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private void Observe(SaeStepResult seen)
    {
        dead.Observe(seen.Fires);
        density.Observe(seen.Fires, Step);
        losses.Observe(Step, seen.Loss);
        firesSinceSteering.add_(seen.Fires.sum());
        if (losses.IsFull || Step == Steps) losses.Look(hook.ToString());
        if (!IsDue(L0Steering.EverySteps)) return;
        double tokens = L0Steering.EverySteps * source.BatchTokens;
        steering.Observe(firesSinceSteering.item<double>() / tokens, steer: TokensSeen >= Math.Max(options.SteerAfterTokens, options.L1WarmUpTokens));
        firesSinceSteering.zero_();
    }

    private void Log(Tensor x, SaeStepResult seen, SaeStepInputs inputs, IProgress<TrainingProgress>? progress)
    {
        var variance = new ExplainedVariance();
        variance.Add(x, seen.Residual);
        double l0 = seen.Fires.sum().item<float>() / source.BatchTokens;
        double seconds = sinceLog.Elapsed.TotalSeconds, tokensPerSecond = (Step - stepAtLog) * source.BatchTokens / seconds;
        var waits = source.Waits;
        var line = new TrainingProgress(Step, Steps, TokensSeen, tokensPerSecond, seen.Loss.item<float>(), seen.Mse.item<float>(),
            seen.Sparsity.item<float>(), l0, variance.Value, dead.Fraction(), inputs.SparsityCoefficient, inputs.LearningRate, resampled,
            (waits.ForActivations - waitsAtLog.ForActivations) / seconds, (waits.ForTraining - waitsAtLog.ForTraining) / seconds);
        (stepAtLog, waitsAtLog) = (Step, waits);
        sinceLog.Restart();
        if (metricsPath is not null) MetricsFile.Append(metricsPath, line);
        progress?.Report(line);
    }

    private void Save()
    {
        if (checkpointPath is null) return;
        losses.Look(hook.ToString());
        using var scope = NewDisposeScope();
        var numbers = new CheckpointNumbers
        {
            Step = Step,
            Position = source.Position,
            L1Coefficient = steering.Coefficient,
            SteeringError = steering.Error,
            FiresSinceSteering = firesSinceSteering.item<double>(),
            Resampled = resampled,
            Hook = hook.ToString(),
            Options = options,
        };
        Checkpoint.Save(checkpointPath, numbers, [.. sae.State(), .. dead.State(), .. density.State()]);
    }

    private void Resume()
    {
        using var scope = NewDisposeScope();
        if (Checkpoint.Load(checkpointPath!) is { } saved)
        {
            Checkpoint.EnsureSameRun(saved.Numbers, options, hook.ToString(), checkpointPath!);
            sae.Restore(saved.Tensors);
            dead.Restore(saved.Tensors);
            density.Restore(saved.Tensors);
            steering.Restore(saved.Numbers.L1Coefficient, saved.Numbers.SteeringError);
            firesSinceSteering.fill_(saved.Numbers.FiresSinceSteering);
            (Step, resampled, source.Position) = (saved.Numbers.Step, saved.Numbers.Resampled, saved.Numbers.Position);
        }
        MetricsFile.TruncateTo<TrainingProgress>(metricsPath!, line => line.Step, Step);
    }
}
